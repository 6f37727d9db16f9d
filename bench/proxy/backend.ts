// The server behind the proxies where nginx is not installed: answers every request with the same short text.
//   node bench/proxy/backend.ts PORT
import http from 'node:http';

const BODY = Buffer.from('hello\n');
const server = http.createServer({ keepAliveTimeout: 0 }, (_, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': BODY.length });
  response.end(BODY);
});
server.maxRequestsPerSocket = 0;
server.listen(Number(process.argv[2]), '127.0.0.1');
