// The catalog: GET /items is the product list, GET /items/N one product, GET /headers what the caller sent.
import http from 'node:http';

const { HOST = '127.0.0.1', PORT = '8080', VERSION = 'v1' } = process.env;

const items = [
  { id: 1, name: 'Mug', department: 'kitchen', price: 8.5 },
  { id: 2, name: 'Notebook', department: 'office', price: 4.2 },
  { id: 3, name: 'Lamp', department: 'office', price: 39 },
  { id: 4, name: 'Wool blanket', department: 'home', price: 55 },
];

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://catalog');
  const answer = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json', 'x-catalog-version': VERSION });
    response.end(`${JSON.stringify(body)}\n`);
  };
  const [, , id] = pathname.split('/');
  if (pathname === '/items') answer(200, items);
  else if (pathname.startsWith('/items/')) {
    const item = items.find((candidate) => candidate.id === Number(id));
    answer(item ? 200 : 404, item ?? { error: `there is no product ${id}` });
  } else if (pathname === '/headers') answer(200, request.headers);
  else answer(404, { error: `there is no ${pathname}` });
});

// A connection that the program closes for being idle may be one that a request is on its way on.
server.keepAliveTimeout = 120_000;
server.listen(Number(PORT), HOST, () => console.log(`catalog ${VERSION} listens on ${HOST}:${PORT}`));
process.on('SIGTERM', () => server.close());
