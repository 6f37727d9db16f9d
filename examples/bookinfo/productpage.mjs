// The page that people see, at /productpage, and the same as JSON below /api/v1/products. Who has logged in is told to
// the other services by the header end-user.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import { indexPage, productPage } from './page.mjs';
import { answer, ask, forwarded, serve } from './service.mjs';

const STYLE = fs.readFileSync(new URL('productpage.css', import.meta.url), 'utf8');

const PRODUCTS = [
  {
    id: 0,
    title: 'The Comedy of Errors',
    descriptionHtml:
      'Two masters and two servants, twins all of them and parted since a shipwreck, are in the same town on the same day. One of the earliest plays of <a href="https://en.wikipedia.org/wiki/The_Comedy_of_Errors">William Shakespeare</a>, and the shortest.',
  },
];

/** Longest wait for one answer; reviews are asked for twice. A ratings service that needs seven seconds is too late. */
const TIMEOUT_MS = 3000;

async function fetchFrom(service, id, request, what, tries = 1) {
  let status;
  for (let i = 0; i < tries; i++) {
    try {
      const found = await ask(`http://${service}:9080/${service}/${id}`, {
        headers: { ...forwarded(request), ...endUser(request) },
        timeoutMs: TIMEOUT_MS,
      });
      ({ status } = found);
      if (status === 200) return found;
    } catch (error) {
      status = 500;
      console.error(`${service} does not answer: ${error.message}`);
    }
  }
  return { status, body: { error: `Sorry, product ${what} are currently unavailable for this book.` } };
}

const details = (id, request) => fetchFrom('details', id, request, 'details');
const reviews = (id, request) => fetchFrom('reviews', id, request, 'reviews', 2);
const ratings = (id, request) => fetchFrom('ratings', id, request, 'ratings');

// A session is the name of a user and a proof that this process has written it.

const key = randomBytes(32);
const SESSION = 'session';
const seal = (text) => createHmac('sha256', key).update(text).digest('base64url');

/** The user of a session; undefined if there is none. */
function userOf({ headers: { cookie = '' } }) {
  const [, name, proof] = new RegExp(`(?:^|; *)${SESSION}=([\\w-]+)\\.([\\w-]+)`).exec(cookie) ?? [];
  if (name === undefined) return undefined;
  const [expected, actual] = [Buffer.from(seal(name)), Buffer.from(proof)];
  if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) return undefined;
  return Buffer.from(name, 'base64url').toString();
}

/** The header that routes may ask for. */
function endUser(request) {
  const user = userOf(request);
  return user === undefined ? {} : { 'end-user': user };
}

const cookie = (value, age) => `${SESSION}=${value}; Path=/; HttpOnly; SameSite=Lax${age}`;
const back = (setCookie) => answer(302, '', { location: '/productpage', 'set-cookie': setCookie });

function login(_request, _values, body) {
  const user = new URLSearchParams(body).get('username') ?? '';
  // The name becomes a header.
  if (!/^[\w.@-]{1,64}$/.test(user)) {
    return answer(400, 'A name has letters, digits and . @ _ -, at most 64 of them.\n');
  }
  const name = Buffer.from(user).toString('base64url');
  return back(cookie(`${name}.${seal(name)}`, ''));
}

const html = (text) =>
  answer(200, text, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'",
  });
const index = () => html(indexPage());
const ID = '([^/]+)';

/** Answers with JSON about a product from another service. */
function product(fetch) {
  return async (request, [id]) => {
    if (!/^\d+$/.test(id)) return answer(400, { error: 'please provide numeric product id' });
    const { status, body } = await fetch(id, request);
    return answer(status, body);
  };
}

serve('productpage', [
  ['GET', '/', index],
  ['GET', '/index.html', index],
  ['GET', '/health', () => answer(200, 'Product page is healthy')],
  ['GET', '/static/productpage.css', () => answer(200, STYLE, { 'content-type': 'text/css; charset=utf-8' })],
  ['POST', '/login', login],
  ['GET', '/logout', () => back(cookie('', '; Max-Age=0'))],
  [
    'GET',
    '/productpage',
    async (request) => {
      const [book] = PRODUCTS;
      const found = { details: await details(book.id, request), reviews: await reviews(book.id, request) };
      return html(productPage({ product: book, user: userOf(request), ...found }));
    },
  ],
  ['GET', '/api/v1/products', () => answer(200, PRODUCTS)],
  ['GET', `/api/v1/products/${ID}`, product(details)],
  ['GET', `/api/v1/products/${ID}/reviews`, product(reviews)],
  ['GET', `/api/v1/products/${ID}/ratings`, product(ratings)],
]);
