// GET /details/N: what there is to know of a book. With ENABLE_EXTERNAL_BOOK_SERVICE=true it comes from Google Books,
// by HTTPS, or with DO_NOT_ENCRYPT=true by HTTP, for a sidecar that speaks TLS in its place.
import { answer, ask, forwarded, serve } from './service.mjs';

const { ENABLE_EXTERNAL_BOOK_SERVICE: external, DO_NOT_ENCRYPT: plain } = process.env;
const BOOKS = `${plain === 'true' ? 'http' : 'https'}://www.googleapis.com/books/v1/volumes?q=isbn:0486424618`;

serve('details', [
  ['GET', '/health', () => answer(200, { status: 'Details is healthy' })],
  [
    'GET',
    '/details/([^/]*)',
    async (request, [id]) => {
      if (!/^\d+$/.test(id)) return answer(400, { error: 'please provide numeric product id' });
      return answer(200, external === 'true' ? await fromOutside(Number(id), request) : known(Number(id)));
    },
  ],
]);

function known(id) {
  return {
    id,
    author: 'William Shakespeare',
    year: 1595,
    type: 'paperback',
    pages: 200,
    publisher: 'PublisherA',
    language: 'English',
    'ISBN-10': '1234567890',
    'ISBN-13': '123-1234567890',
  };
}

async function fromOutside(id, request) {
  const { status, body } = await ask(BOOKS, { headers: forwarded(request), timeoutMs: 5000 });
  const book = body?.items?.[0]?.volumeInfo;
  if (book === undefined) throw Object.assign(new Error(`www.googleapis.com answers ${status}`), { status: 502 });
  const isbn = (type) => book.industryIdentifiers?.find((candidate) => candidate.type === type)?.identifier;
  return {
    id,
    author: book.authors?.[0],
    year: book.publishedDate,
    type: book.printType === 'BOOK' ? 'paperback' : 'unknown',
    pages: book.pageCount,
    publisher: book.publisher,
    language: book.language === 'en' ? 'English' : 'unknown',
    'ISBN-10': isbn('ISBN_10'),
    'ISBN-13': isbn('ISBN_13'),
  };
}
