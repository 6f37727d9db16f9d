// The frontend: HTTP on HOST:PORT. It says who is asking, as its sidecar has found out by the peer's certificate.
import http from 'node:http';

const { HOST = '127.0.0.1', PORT = '3000' } = process.env;

http
  .createServer((request, response) => {
    const certificate = String(request.headers['x-forwarded-client-cert'] ?? '');
    const peer = /(?:^|;)URI=([^;,]*)/.exec(certificate)?.[1] ?? 'nobody that is known';
    response.setHeader('content-type', 'text/plain');
    response.end(`frontend: ${request.method} ${request.url}, asked by ${peer}\n`);
  })
  .listen(Number(PORT), HOST);
