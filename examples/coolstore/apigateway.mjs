// The API for the outside world: /api/catalog is the catalog's /items, /api/headers its /headers.
import http from 'node:http';

const { HOST = '127.0.0.1', PORT = '8080', CATALOG_URL = 'http://catalog' } = process.env;

// Headers that tie the calls of one request together; a sidecar cannot know which call belongs to which.
const TRACE = [
  'x-request-id',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
];

// The sidecar takes HTTP for anywhere at http_proxy. From Node 24 on fetch asks it by itself.
const proxy = process.env.http_proxy ? new URL(process.env.http_proxy) : undefined;

function get(url, headers) {
  const { host, hostname, port, pathname, search } = new URL(url);
  const options = proxy
    ? { host: proxy.hostname, port: proxy.port, path: url, headers: { ...headers, host } }
    : { host: hostname, port, path: pathname + search, headers };
  return new Promise((resolve, reject) => {
    const request = http.get(options, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode, type: answer.headers['content-type'], body: Buffer.concat(chunks) }),
      );
      answer.on('error', reject);
    });
    request.on('error', reject);
  });
}

const paths = { '/api/catalog': '/items', '/api/headers': '/headers' };

const server = http.createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://apigateway');
  const target =
    paths[pathname] ?? (pathname.startsWith('/api/catalog/') ? pathname.replace('/api/catalog', '/items') : undefined);
  if (target === undefined) {
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify({ error: `there is no ${pathname}` })}\n`);
    return;
  }
  const headers = Object.fromEntries(
    TRACE.filter((name) => request.headers[name]).map((name) => [name, request.headers[name]]),
  );
  try {
    const { status, type, body } = await get(CATALOG_URL + target, headers);
    response.writeHead(status, { 'content-type': type ?? 'text/plain' });
    response.end(body);
  } catch (error) {
    response.writeHead(502, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify({ error: `the catalog does not answer: ${error.message}` })}\n`);
  }
});

// A connection that the program closes for being idle may be one that a request is on its way on.
server.keepAliveTimeout = 120_000;
server.listen(Number(PORT), HOST, () => console.log(`apigateway listens on ${HOST}:${PORT}`));
process.on('SIGTERM', () => server.close());
