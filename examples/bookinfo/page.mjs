// The HTML of productpage.

/** Text that is to be seen as it is. */
const shown = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function layout(user, main) {
  const account =
    user === undefined
      ? `<form class="account" method="post" action="/login">
      <label for="username">User</label>
      <input id="username" name="username" autocomplete="username" required maxlength="64">
      <label for="password">Password</label>
      <input id="password" name="passwd" type="password" autocomplete="current-password">
      <button>Sign in</button>
    </form>`
      : `<p class="account">Signed in as <strong>${shown(user)}</strong> <a class="button" href="/logout">Sign out</a></p>`;
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Simple Bookstore App</title>
  <link rel="stylesheet" href="/static/productpage.css">
</head>
<body>
  <a class="skip" href="#main">Skip to the book</a>
  <header>
    <a class="brand" href="/productpage">Bookinfo</a>
    ${account}
  </header>
  <main id="main">
${main}
  </main>
</body>
</html>
`;
}

const NAMES = {
  pages: 'Pages',
  publisher: 'Publisher',
  language: 'Language',
  type: 'Type',
  author: 'Author',
  year: 'Year',
};

function detailsSection({ status, body }) {
  if (status !== 200) return problem('details', 'Error fetching product details!', body.error);
  const rows = Object.entries(body)
    .filter(([name]) => name !== 'id')
    .map(([name, value]) => `<div><dt>${shown(NAMES[name] ?? name)}</dt><dd>${shown(value ?? '')}</dd></div>`);
  return `<section aria-labelledby="details">
      <h2 id="details">Book details</h2>
      <dl>${rows.join('\n      ')}</dl>
    </section>`;
}

const MOST_STARS = 5;

/** Stars are said in words as well: neither their number nor their colour is for the eyes alone. */
function ratingLine(rating) {
  if (rating === undefined) return '';
  if (rating.stars === undefined) return `<p class="unrated" role="status">${shown(rating.error)}</p>`;
  const stars = Math.min(Math.max(rating.stars, 0), MOST_STARS);
  const said = `${stars} of ${MOST_STARS} ${shown(rating.color)} stars`;
  const row = `${'★'.repeat(stars)}<span class="none">${'★'.repeat(MOST_STARS - stars)}</span>`;
  return `<p class="rating"><span class="stars ${shown(rating.color)}" role="img" aria-label="${said}">${row}</span> <span class="said" aria-hidden="true">${stars} of ${MOST_STARS}</span></p>`;
}

function reviewsSection({ status, body }) {
  if (status !== 200) return problem('reviews', 'Error fetching product reviews!', body.error);
  const reviews = body.reviews.map(
    ({ reviewer, text, rating }) => `<figure>
        ${ratingLine(rating)}
        <blockquote>${shown(text)}</blockquote>
        <figcaption>${shown(reviewer)}</figcaption>
      </figure>`,
  );
  return `<section aria-labelledby="reviews">
      <h2 id="reviews">Book reviews</h2>
      ${reviews.join('\n      ')}
      <p class="served">Reviews served by: <code>${shown(body.podname)}</code></p>
    </section>`;
}

function problem(id, heading, text) {
  return `<section class="problem" aria-labelledby="${id}" role="alert">
      <h2 id="${id}">${heading}</h2>
      <p>${shown(text)}</p>
    </section>`;
}

/** The page of a book, with what the other services say of it, or that they do not. */
export function productPage({ product, user, details, reviews }) {
  return layout(
    user,
    `    <article>
    <h1>${shown(product.title)}</h1>
    <p class="summary">${product.descriptionHtml}</p>
    <div class="columns">
    ${reviewsSection(reviews)}
    ${detailsSection(details)}
    </div>
    </article>`,
  );
}

export function indexPage() {
  return layout(
    undefined,
    `    <h1>Hello! This is a simple bookstore application</h1>
    <p class="summary">It consists of four services: <em>productpage</em> asks <em>details</em> and <em>reviews</em>, and reviews ask <em>ratings</em>.</p>
    <p><a class="button" href="/productpage">To the book</a></p>`,
  );
}
