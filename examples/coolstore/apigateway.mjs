// The API for the outside world: /api/catalog is the catalog's /items, /api/headers its /headers.
import http from 'node:http';

const { HOST = '127.0.0.1', PORT = '8080', CATALOG_URL = 'http://catalog' } = process.env;

// Headers that tie the calls of one request together; a sidecar cannot know which call belongs to which.
const TRACE = ['x-request-id', 'traceparent', 'tracestate', 'b3', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled', 'x-b3-flags'];

const paths = { '/api/catalog': '/items', '/api/headers': '/headers' };

const server = http.createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://apigateway');
  const target = paths[pathname] ?? (pathname.startsWith('/api/catalog/') ? pathname.replace('/api/catalog', '/items') : undefined);
  if (target === undefined) {
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify({ error: `there is no ${pathname}` })}\n`);
    return;
  }
  const headers = Object.fromEntries(TRACE.filter((name) => request.headers[name]).map((name) => [name, request.headers[name]]));
  try {
    const answer = await fetch(CATALOG_URL + target, { headers });
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' });
    response.end(await answer.text());
  } catch (error) {
    response.writeHead(502, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify({ error: `the catalog does not answer: ${error.cause?.message ?? error.message}` })}\n`);
  }
});

server.listen(Number(PORT), HOST, () => console.log(`apigateway listens on ${HOST}:${PORT}`));
process.on('SIGTERM', () => server.close());
