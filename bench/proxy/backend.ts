// The server behind the proxies where nginx is not installed: answers with a short text, or with a mebibyte.
//   node bench/proxy/backend.ts PORT
import http from 'node:http';

const BODY = Buffer.from('hello\n');
const MEBIBYTE = Buffer.alloc(1024 * 1024, 'a');
const server = http.createServer({ keepAliveTimeout: 0 }, ({ url }, response) => {
  const body = url === '/mebibyte' ? MEBIBYTE : BODY;
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
  response.end(body);
});
server.maxRequestsPerSocket = 0;
server.listen(Number(process.argv[2]), '127.0.0.1');
