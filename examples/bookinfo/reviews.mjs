// GET /reviews/N: what two reviewers say of a book. v1 has no stars, v2 has black ones and v3 red ones, from the ratings.
import { answer, ask, forwarded, serve } from './service.mjs';

const {
  ENABLE_RATINGS: enabled,
  STAR_COLOR: color = 'black',
  HOSTNAME: podname = 'null',
  CLUSTER_NAME: clustername = 'null',
  RATINGS_HOSTNAME: ratings = 'ratings',
} = process.env;
const hasStars = enabled === 'true';

// Longer than productpage waits for an answer, where stars are black: the fault that fault injection is to find.
const RATINGS_TIMEOUT_MS = color === 'black' ? 10_000 : 2500;

const REVIEWS = {
  Reviewer1: 'Two pairs of twins, one day in Ephesus, and hardly a line without a laugh. Still his quickest play.',
  Reviewer2: 'A delight on the stage. Whoever looks for the depth of the later plays will have to wait for them.',
};

serve('reviews', [
  ['GET', '/health', () => answer(200, { status: 'Reviews is healthy' })],
  [
    'GET',
    '/reviews/(\\d+)',
    async (request, [id]) => {
      const stars = hasStars ? await fetchStars(id, request) : undefined;
      const reviews = Object.entries(REVIEWS).map(([reviewer, text]) => ({
        reviewer,
        text,
        ...(hasStars && { rating: rating(stars?.[reviewer]) }),
      }));
      return answer(200, { id, podname, clustername, reviews });
    },
  ],
]);

function rating(stars) {
  return Number.isInteger(stars) ? { stars, color } : { error: 'Ratings service is currently unavailable' };
}

/** Stars by reviewer; undefined if there is no answer. */
async function fetchStars(id, request) {
  const url = `http://${ratings}:9080/ratings/${id}`;
  try {
    const { status, body } = await ask(url, { headers: forwarded(request), timeoutMs: RATINGS_TIMEOUT_MS });
    if (status !== 200) console.error(`${url} answers ${status}`);
    return body?.ratings;
  } catch (error) {
    console.error(`${url} does not answer: ${error.message}`);
    return undefined;
  }
}
