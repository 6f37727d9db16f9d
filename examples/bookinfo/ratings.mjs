// GET /ratings/N: how many stars each reviewer gives a book. POST /ratings/N puts others in their place, in memory.
import { answer, serve } from './service.mjs';

const given = new Map();
const MAX_BOOKS = 1000;

serve('ratings', [
  ['GET', '/health', () => answer(200, { status: 'Ratings is healthy' })],
  ['GET', '/ratings/([^/]*)', (_request, [id]) => (isNumber(id) ? answer(200, ratingsOf(Number(id))) : noNumber())],
  [
    'POST',
    '/ratings/([^/]*)',
    (_request, [id], body) => {
      if (!isNumber(id)) return noNumber();
      if (given.size >= MAX_BOOKS && !given.has(Number(id))) return answer(507, { error: 'there is no room for more' });
      try {
        given.set(Number(id), JSON.parse(body));
      } catch {
        return answer(400, { error: 'please provide valid ratings JSON' });
      }
      return answer(200, ratingsOf(Number(id)));
    },
  ],
]);

const isNumber = (id) => /^\d+$/.test(id);
const noNumber = () => answer(400, { error: 'please provide numeric product ID' });

function ratingsOf(id) {
  return { id, ratings: given.get(id) ?? { Reviewer1: 5, Reviewer2: 4 } };
}
