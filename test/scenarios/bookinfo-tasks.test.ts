import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allTo,
  apply,
  authorizationPolicy,
  BOOKINFO,
  bookinfoGateway,
  Counted,
  DESTINATION_RULE_ALL,
  destinationRule,
  RATINGS_TEST_ABORT,
  REVIEWS_TEST_V2,
  ratingsTestDelay,
  remove,
  reviewsSplit,
  secureGateway,
  VIRTUAL_SERVICE_ALL_V1,
  Visitor,
  viewer,
} from '../support/bookinfo.ts';
import { externalDetails, googleapis, REGISTRY_ONLY, startGoogleBooks } from '../support/google-books.ts';
import { meshStatus, TestedMesh } from '../support/local-mesh.ts';
import { scratch, until } from '../support/reference.ts';

const NO_REVIEWS = 'Sorry, product reviews are currently unavailable for this book.';
const NO_RATINGS = 'Ratings service is currently unavailable';
const VERSIONS = ['v1', 'v2', 'v3'];

test("bookinfo: the tasks of Istio's documentation", async (t) => {
  const mesh = await TestedMesh.start(t, BOOKINFO);
  const anybody = new Visitor(mesh);
  const jason = new Visitor(mesh);
  await jason.login('jason');

  /** Does something, by which so many requests come to the versions of the reviews. */
  const reviewsGet = async (expected: readonly number[], what: () => Promise<unknown>): Promise<void> => {
    const counted = await Counted.from(mesh);
    await what();
    // What was given up is counted a moment after.
    let found: number[] = [];
    await until(`${expected} requests to the versions of the reviews`, async () => {
      found = await Promise.all(VERSIONS.map((version) => counted.to(`reviews-${version}`)));
      return found.every((count, i) => count >= expected[i]!) || undefined;
    });
    assert.deepEqual(found, expected);
  };

  await t.test('ingress: the gateway lets in what its routes name, and nothing else', async () => {
    const counted = await Counted.from(mesh);
    assert.match((await anybody.page()).body, /<title>Simple Bookstore App<\/title>/);
    const products = (await (await anybody.get('/api/v1/products')).json()) as { id: number }[];
    assert.deepEqual(
      products.map(({ id }) => id),
      [0],
    );
    assert.equal((await anybody.get('/static/productpage.css')).headers.get('content-type'), 'text/css; charset=utf-8');
    for (const path of ['/', '/health', '/productpage/x', '/reviews/0']) {
      assert.equal((await anybody.get(path)).status, 404, path);
    }
    assert.equal(await counted.to('productpage-v1'), 3);
    // A secret that has not come does not keep the rest out, and is told by the proxy that waits for it.
    await apply(mesh, secureGateway('not-there'));
    const { stdout: secrets } = await mesh.isthmus(['pc', 'secret', 'svc/istio-ingressgateway.istio-system']);
    assert.match(secrets, /^kubernetes:\/\/not-there +WARMING +false *$/m);
    assert.match(secrets, /^default +Cert Chain +ACTIVE +true /m);
    // The sample has named its port 80 at first, and 8080 later.
    await apply(mesh, bookinfoGateway(8080));
    assert.equal((await anybody.page()).status, 200);
    await apply(mesh, bookinfoGateway(80));
  });

  await t.test('without routes the versions take turns', async () => {
    const seen = new Set<string>();
    await until('all versions', async () => seen.add((await anybody.page()).stars ?? 'none').size === 3 || undefined);
  });

  await t.test('everything goes to v1', async () => {
    await apply(mesh, DESTINATION_RULE_ALL, VIRTUAL_SERVICE_ALL_V1);
    await reviewsGet([9, 0, 0], async () => {
      for (const page of await anybody.pages(9)) assert.deepEqual([page.reviews, page.stars], ['v1', undefined]);
    });
  });

  await t.test('jason sees v2, by the header end-user', async () => {
    await apply(mesh, REVIEWS_TEST_V2);
    await reviewsGet([5, 4, 0], async () => {
      for (const page of await jason.pages(4)) assert.deepEqual([page.reviews, page.stars], ['v2', 'black']);
      for (const page of await anybody.pages(5)) assert.deepEqual([page.reviews, page.stars], ['v1', undefined]);
    });
  });

  await t.test('an abort leaves reviews without ratings, and never comes to the ratings', async () => {
    await apply(mesh, RATINGS_TEST_ABORT);
    const counted = await Counted.from(mesh);
    const page = await jason.page();
    assert.deepEqual([page.reviews, page.stars], ['v2', undefined]);
    assert.ok(page.body.includes(NO_RATINGS));
    assert.ok(!(await anybody.page()).body.includes(NO_RATINGS));
    assert.deepEqual([await counted.flagged('reviews-v2', 'FI'), await counted.to('ratings-v1')], [1, 0]);
  });

  await t.test('a delay of seven seconds finds that productpage waits for six only', async () => {
    await apply(mesh, ratingsTestDelay('7s'));
    // Reviews are asked for twice.
    await reviewsGet([1, 2, 0], async () => {
      const [slow, fast] = await Promise.all([jason.page(), anybody.page()]);
      assert.match(slow.body, /Error fetching product reviews!/);
      assert.ok(slow.body.includes(NO_REVIEWS));
      assert.ok(slow.seconds >= 5.9, `${slow.seconds} s for two tries of three`);
      assert.equal(fast.reviews, 'v1');
    });
    await apply(mesh, ratingsTestDelay('0.1s'));
    const page = await jason.page();
    assert.deepEqual([page.reviews, page.stars], ['v2', 'black'], 'a shorter delay is none too many');
    assert.ok(page.seconds >= 0.1);
  });

  await t.test('a timeout of half a second gives up on reviews that wait for ratings', async () => {
    const slow = 'fault:\n  delay:\n    percentage:\n      value: 100\n    fixedDelay: 1s';
    await apply(mesh, allTo('reviews', 'v2'), allTo('ratings', 'v1', slow));
    const whole = await anybody.page();
    assert.deepEqual([whole.reviews, whole.stars], ['v2', 'black']);
    await apply(mesh, allTo('reviews', 'v2', 'timeout: 0.5s'));
    const counted = await Counted.from(mesh);
    await reviewsGet([0, 2, 0], async () => {
      const page = await anybody.page();
      assert.ok(page.body.includes(NO_REVIEWS));
      assert.ok(page.seconds >= 0.95, `${page.seconds} s for two tries of half a second`);
    });
    assert.equal(await counted.flagged('productpage-v1', 'UT'), 2);
  });

  await t.test('a circuit breaker lets one request through and one wait', async () => {
    const limits = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
spec:
  host: reviews
  trafficPolicy:
    connectionPool:
      tcp:
        maxConnections: 1
      http:
        http1MaxPendingRequests: 1
        maxRequestsPerConnection: 1
  subsets:
  - name: v2
    labels:
      version: v2
---`;
    const slow = 'fault:\n  delay:\n    percentage:\n      value: 100\n    fixedDelay: 0.5s';
    await apply(mesh, limits, allTo('reviews', 'v2'), allTo('ratings', 'v1', slow));
    const counted = await Counted.from(mesh);
    const answers = await Promise.all(Array.from({ length: 12 }, () => anybody.get('/api/v1/products/0/reviews')));
    const good = answers.filter(({ status }) => status === 200).length;
    const bad = answers.filter(({ status }) => status === 503).length;
    assert.equal(good + bad, 12);
    assert.ok(good >= 2 && bad >= 1, `${good} good, ${bad} bad`);
    const overflowed = await counted.flagged('productpage-v1', 'UO');
    // Whoever was refused once has tried once more.
    assert.ok(overflowed >= 2 * bad && overflowed <= 2 * bad + good, `${overflowed} overflowed, ${bad} were refused`);
    assert.equal(await counted.to('reviews-v2'), good);
    await apply(mesh, DESTINATION_RULE_ALL, VIRTUAL_SERVICE_ALL_V1);
  });

  await t.test('shares of traffic, within what chance allows', async () => {
    const shares: Record<string, number>[] = [
      { v1: 50, v3: 50 },
      { v1: 80, v2: 20 },
      { v1: 0, v3: 100 },
    ];
    for (const weights of shares) {
      await apply(mesh, reviewsSplit(weights));
      const counted = await Counted.from(mesh);
      const [first = '', second = ''] = Object.keys(weights);
      const share = weights[first]!;
      const n = 300;
      const answers = await anybody.reviews(n);
      assert.equal((answers.get(first) ?? 0) + (answers.get(second) ?? 0), n, 'nobody else answers');
      // Five standard deviations: one run in a million is further off.
      const bound = 5 * Math.sqrt(n * (share / 100) * (1 - share / 100));
      const found = answers.get(first) ?? 0;
      assert.ok(Math.abs(found - (n * share) / 100) <= bound, `${found} of ${n} instead of ${share} % had ${first}`);
      assert.equal(await counted.to(`reviews-${first}`), found, 'the proxies have counted the same');
    }
  });

  await t.test('a mirror has every request, and nobody sees its answers', async () => {
    const mirror = 'mirror:\n  host: reviews\n  subset: v2\nmirrorPercentage:\n  value: 100.0';
    await apply(mesh, allTo('reviews', 'v1', mirror));
    const counted = await Counted.from(mesh);
    for (const page of await anybody.pages(10)) assert.deepEqual([page.reviews, page.stars], ['v1', undefined]);
    // A mirrored request is not waited for.
    await until('the mirror has had them all', async () => (await counted.to('reviews-v2')) === 10 || undefined);
    assert.equal(await counted.to('reviews-v1'), 10);
    await remove(mesh, 'VirtualService/bookinfo/reviews');
  });

  await t.test('mutual TLS: who speaks encrypted is measured, and STRICT leaves nobody else', async () => {
    await apply(mesh, allTo('reviews', 'v3'));
    const { pods } = await meshStatus(mesh);
    const details = `http://${pods.find(({ name }) => name.startsWith('details-v1-'))?.podIp}:9080/details/0`;
    const status = async (...args: string[]) => {
      const { code, stdout, stderr } = await mesh.isthmus(['status', '--mtls', ...args]);
      assert.equal(stderr, '');
      return { code, stdout };
    };
    interface Measured {
      plaintext: number;
      policy: object;
      pairs: { source: { workload: string }; destination: { workload: string }; security: string; cause?: string }[];
    }
    const measured = async (...args: string[]) => {
      const { code, stdout } = await status('-o', 'json', ...args);
      const { pairs, plaintext, policy } = JSON.parse(stdout) as Measured;
      const all = pairs.map(
        ({ source, destination, security }) => `${source.workload || '?'} ${destination.workload} ${security}`,
      );
      return { code, plaintext, policy, all, causes: pairs.flatMap(({ cause }) => cause ?? []) };
    };

    assert.equal((await measured()).code, 0, 'nobody has spoken in plaintext so far');
    assert.equal((await mesh.curl([details])).code, 0);
    const permissive = await measured();
    assert.deepEqual([permissive.code, permissive.plaintext], [1, 1]);
    assert.equal(permissive.all[0], '? details-v1 none');
    assert.match(permissive.causes[0]!, /^the client has shown no certificate: .* which means PERMISSIVE$/);
    const { stdout: table } = await status();
    assert.match(table, /^mesh bookinfo: mutual TLS on \d+ of \d+ pairs .*; 1 in plaintext\n/);
    assert.match(table, /^unknown +bookinfo\/details-v1 +http +plaintext +1 request +- +-$/m);
    const ids = 'cluster.local/ns/bookinfo/sa/bookinfo-reviews +cluster.local/ns/bookinfo/sa/bookinfo-ratings';
    assert.match(
      table,
      new RegExp(`^bookinfo/reviews-v3 +bookinfo/ratings-v1 +http +mutual TLS +\\d+ requests? +${ids}$`, 'm'),
    );

    await apply(mesh, destinationRule('details', ['v1'], 'trafficPolicy: {tls: {mode: DISABLE}}'));
    assert.equal((await anybody.page()).status, 200);
    const disabled = await measured();
    assert.deepEqual(disabled.all.slice(0, 2), ['? details-v1 none', 'productpage-v1 details-v1 none']);
    assert.match(disabled.causes[1]!, /^the client's sidecar does as DestinationRule bookinfo\/details \(.*\) says/);
    await apply(mesh, destinationRule('details', ['v1']));

    const strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: istio-system
spec:
  mtls:
    mode: STRICT
`;
    await apply(mesh, strict);
    // An end of the connection, or a reset.
    const refused = await mesh.curl([details]);
    assert.ok([52, 56].includes(Number(refused.code)), `plaintext is refused: ${JSON.stringify(refused)}`);
    let isOver = false;
    const during = measured('--during', '1.5s').finally(() => (isOver = true));
    while (!isOver) assert.equal((await anybody.page()).stars, 'red');
    assert.deepEqual(await during, {
      code: 0,
      plaintext: 0,
      policy: { mode: 'STRICT', peerAuthentication: 'istio-system/default' },
      all: [
        'productpage-v1 details-v1 mutual_tls',
        'productpage-v1 reviews-v3 mutual_tls',
        'reviews-v3 ratings-v1 mutual_tls',
        'istio-ingressgateway productpage-v1 mutual_tls',
      ],
      causes: [],
    });
    const since = await measured();
    assert.equal(since.code, 1, 'what was counted before is not forgotten');
    assert.match(
      since.causes[0]!,
      /; it was counted before PeerAuthentication istio-system\/default \(.*\) came into force$/,
    );
  });

  await t.test('authorization: nothing is allowed, and then one call after another', async () => {
    const state = async () => {
      const { status, body, stars } = await anybody.page();
      if (status !== 200) return `${status} ${body}`;
      const details = body.includes('Error fetching product details!') ? 'no details' : 'details';
      const reviews = body.includes('Error fetching product reviews!') ? 'no reviews' : 'reviews';
      return [details, reviews, stars ?? 'no stars'].join(', ');
    };
    // Connections that were there before end with the filters that they began with, as with Envoy.
    const becomes = (expected: string, what: string) =>
      until(`${what}: ${expected}`, async () => (await state()) === expected || undefined);
    await apply(mesh, authorizationPolicy('allow-nothing', '{}'));
    await becomes('403 RBAC: access denied', 'allow-nothing');
    const steps = [
      ['productpage', undefined, 'no details, no reviews, no stars'],
      ['details', 'bookinfo-productpage', 'details, no reviews, no stars'],
      ['reviews', 'bookinfo-productpage', 'details, reviews, no stars'],
      ['ratings', 'bookinfo-reviews', 'details, reviews, red'],
    ] as const;
    for (const [app, caller, expected] of steps) {
      await apply(mesh, viewer(app, caller));
      await becomes(expected, `${app}-viewer`);
    }
    const counted = await Counted.from(mesh);
    assert.equal((await jason.get('/api/v1/products/0/ratings')).status, 403, 'productpage may not ask for ratings');
    assert.equal(await counted.to('ratings-v1'), 1, 'the refusal is counted where it was made');
    const names = ['allow-nothing', ...steps.map(([app]) => `${app}-viewer`)];
    await remove(mesh, ...names.map((name) => `AuthorizationPolicy/bookinfo/${name}`));
  });

  await t.test('egress: details come from a service outside, by TLS of the program and of its sidecar', async (t) => {
    const books = await startGoogleBooks(t, scratch(t));
    await apply(
      mesh,
      REGISTRY_ONLY,
      externalDetails('v2', { NODE_EXTRA_CA_CERTS: books.root }),
      externalDetails('v3', { DO_NOT_ENCRYPT: 'true' }),
      destinationRule('details', ['v2', 'v3']),
    );
    await until('two more versions of details', async () => {
      const { pods } = await meshStatus(mesh);
      const there = pods.filter(({ name, ready, size }) => /^details-v[23]-/.test(name) && ready === size);
      return there.length === 2 || undefined;
    });
    const detailsOf = async (version: string) => {
      await apply(mesh, allTo('details', version));
      return (await anybody.get('/api/v1/products/0')).json() as Promise<{ pages?: number; error?: string }>;
    };
    for (const version of ['v3', 'v2']) {
      assert.equal((await detailsOf(version)).error, 'Sorry, product details are currently unavailable for this book.');
    }
    assert.deepEqual(books.served, []);
    await apply(mesh, googleapis(books));
    const counted = await Counted.from(mesh);
    for (const version of ['v2', 'v3']) assert.equal((await detailsOf(version)).pages, 64, version);
    const asked = 'www.googleapis.com /books/v1/volumes?q=isbn:0486424618';
    assert.deepEqual(books.served, [asked, asked]);
    // A connection of TCP is counted when it ends, which is after the answer.
    let outside: unknown[] = [];
    await until('both are counted', async () => {
      outside = (await counted.pairs())
        .filter(({ services }) => services.includes('www.googleapis.com'))
        .map(({ source, security, count }) => [source.workload, security, count]);
      return outside.length >= 2 || undefined;
    });
    assert.deepEqual(outside, [
      ['details-v2', 'unknown', 1],
      ['details-v3', 'unknown', 1],
    ]);
  });
});
