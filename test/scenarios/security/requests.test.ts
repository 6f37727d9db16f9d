import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { gateway, routeTo, virtualService } from '../../support/ingress.ts';
import { ecKey, secretKey, token } from '../../support/jwt.ts';
import { meshStatus, TestedMesh } from '../../support/local-mesh.ts';
import { until } from '../../support/reference.ts';

/** What is left to do when the file is over. */
const cleanups: (() => void | Promise<void>)[] = [];
const context = { after: (fn: () => void | Promise<void>) => void cleanups.push(fn) };

const ISSUER = 'https://issuer.test';
const known = ecKey('known');
const other = ecKey('known');
/** The public key, as somebody would misuse it who takes it for a shared secret. */
const confused = secretKey('known');

/** Answers with what it was sent: nothing of that has been thought up by a proxy. */
const ECHO = `
import http from 'node:http';
http.createServer(({ url, headers }, response) => response.end(JSON.stringify({ url, headers })))
  .listen(process.env.PORT, process.env.HOST);
`;

const workload = (name: string) => `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec: {containers: [{name: main, command: [node, echo.mjs], ports: [{containerPort: 8080}]}]}
`;

const HOSTS = ['open.example', 'paths.example', 'tokens.example'];
const POLICIES = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: paths}
spec:
  selector: {matchLabels: {app: paths}}
  action: DENY
  rules: [{to: [{operation: {paths: [/admin, /admin/*]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: public}
spec:
  selector: {matchLabels: {app: paths}}
  action: ALLOW
  rules: [{to: [{operation: {paths: [/public/*]}}]}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec:
  selector: {matchLabels: {app: tokens}}
  jwtRules: [{issuer: "${ISSUER}", audiences: [shop], jwks: '${JSON.stringify({ keys: [known.jwk()] })}'}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: tokens}
spec:
  selector: {matchLabels: {app: tokens}}
  action: ALLOW
  rules: [{from: [{source: {requestPrincipals: ["${ISSUER}/ann"]}}]}]
---
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec:
  profile: default
  meshConfig:
    pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}
    accessLogFile: /dev/stdout
    accessLogFormat: "mark=%REQ(X-MARK)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\\n"
`;

let mesh: TestedMesh;

before(async () => {
  const routes = HOSTS.map((host) => virtualService(host, host, 'edge', routeTo(host.split('.')[0]!)));
  const edge = gateway('edge', { port: 80, protocol: 'HTTP', name: 'http', hosts: HOSTS });
  mesh = await TestedMesh.start(context, {
    'echo.mjs': ECHO,
    'mesh.yaml': [edge, ...routes, POLICIES, ...['open', 'paths', 'tokens'].map(workload)].join(''),
  });
  await until('the mesh serves', async () => (await ask('open.example', '/')).status === 200 || undefined);
});

after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

interface Answer {
  readonly status: number;
  /** What the program was sent. */
  readonly got: { readonly url: string; readonly headers: Readonly<Record<string, string>> } | undefined;
  /** By which the access logs know the request. */
  readonly mark: string;
}

let marks = 0;

/** Asks as somebody outside does: through the gateway, or past it, by the address of a pod. */
async function ask(host: string, target: string, headers: readonly string[] = [], at?: string): Promise<Answer> {
  const mark = `m${++marks}`;
  const { stdout } = await mesh.curl([
    ...['--path-as-is', '--request-target', target, '-w', '\n%{http_code}'],
    ...[`host: ${host}`, `x-mark: ${mark}`, ...headers].flatMap((header) => ['-H', header]),
    `http://${at ?? mesh.gateway(80)}/`,
  ]);
  const [body = '', status = ''] = stdout.split('\n');
  return { status: Number(status), got: body.startsWith('{') ? JSON.parse(body) : undefined, mark };
}

function logs(): string {
  const meshes = path.join(mesh.home, 'meshes');
  return fs
    .readdirSync(meshes, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.log'))
    .map((file) => fs.readFileSync(path.join(meshes, file), 'utf8'))
    .join('\n');
}

const linesOf = (mark: string) =>
  logs()
    .split('\n')
    .filter((line) => line.startsWith(`mark=${mark} `));

/** What the proxies say of requests, once they have written all: what comes after these is in their logs, too. */
async function loggedOf(host: string, target: string, headers: readonly string[] = []): Promise<typeof linesOf> {
  const { mark, status } = await ask(host, target, headers);
  assert.equal(status, 200, 'who is no attacker is served');
  await until('gateway and sidecar tell of it', () => linesOf(mark).length === 2 || undefined);
  return linesOf;
}

/** `x-envoy-*` headers are for proxies among themselves; what is said in them from outside is not so. */
const FORGED = [
  'x-envoy-internal: true',
  'x-envoy-downstream-service-cluster: trusted',
  'x-envoy-downstream-service-node: trusted',
  'x-envoy-retry-on: 5xx',
  'x-envoy-retry-grpc-on: cancelled',
  'x-envoy-max-retries: 1000',
  'x-envoy-upstream-alt-stat-name: forged',
  'x-envoy-upstream-rq-timeout-ms: 1',
  'x-envoy-upstream-rq-per-try-timeout-ms: 1',
  'x-envoy-upstream-rq-timeout-alt-response: 1',
  'x-envoy-expected-rq-timeout-ms: 1',
  'x-envoy-hedge-on-per-try-timeout: true',
  'x-envoy-force-trace: true',
  'x-envoy-ip-tags: forged',
  'x-envoy-external-address: 10.9.8.7',
  'x-envoy-original-path: /forged',
  'x-envoy-decorator-operation: forged',
  'x-envoy-attempt-count: 77',
  'x-envoy-peer-metadata: Zm9yZ2Vk',
  'x-envoy-peer-metadata-id: forged',
];
const FORGED_XFCC =
  'x-forwarded-client-cert: By=spiffe://cluster.local/ns/a/sa/b;URI=spiffe://cluster.local/ns/istio-system/sa/forged';

test('forged headers from outside do not get further than the gateway', async () => {
  const { status, got } = await ask('open.example', '/', [...FORGED, FORGED_XFCC]);
  assert.equal(status, 200);
  const arrived = Object.entries(got!.headers).map(([name, value]) => `${name}: ${value}`);
  for (const line of FORGED) assert.ok(!arrived.includes(line), line);
  assert.doesNotMatch(arrived.join('\n'), /forged/);
});

test('nor does a forged identity get past a sidecar, whoever brings it', async () => {
  const { pods } = await meshStatus(mesh);
  const { podIp } = pods.find(({ name }) => name === 'open')!;
  const { status, got } = await ask('open.example', '/', [FORGED_XFCC], `${podIp}:8080`);
  assert.equal(status, 200);
  assert.equal(got!.headers['x-forwarded-client-cert'], undefined);
});

test('a path that is written in another way is judged as what it is', async () => {
  const paths = [
    '/admin',
    '/admin/x',
    '//admin/x',
    '/admin//x',
    '/%61dmin/x',
    '/%2fadmin/x',
    '/%2Fadmin/x',
    '/admin%2fx',
    '/./admin/x',
    '/%2e/admin/x',
    '/x/../admin/x',
    '/public/../admin/x',
    '/public/%2e%2e/admin/x',
    '/public/..%2fadmin/x',
    '/public/%2e%2e%2fadmin/x',
    '/public/..//admin/x',
    '/public/..;/admin/x',
    '/public/..;a=b/admin',
    '/public\\..\\admin\\x',
    '/public/..%5cadmin/x',
    '/ADMIN/x',
    '/Admin',
    '/admin;a=b',
    '/admin;a=b/x',
    '/;a=b/admin',
    '/admin%3ba=b',
    '/admin%00',
    '/admin%',
    '/admin?a=/public/x',
    '/admin#/public/x',
    'http://paths.example/admin/x',
    '/../admin/x',
    '/public/../../admin/x',
  ];
  const answers: [string, Answer][] = [];
  for (const target of paths) answers.push([target, await ask('paths.example', target)]);
  const linesOf = await loggedOf('paths.example', '/public/x');
  for (const [target, { status, got, mark }] of answers) {
    assert.equal(got, undefined, `${target} came to the program: ${got?.url}`);
    assert.ok(status === 403 || status === 400, `${target}: ${status}`);
    const refusals = linesOf(mark).filter((line) => !line.includes(' via_upstream'));
    assert.equal(refusals.length, 1, `${target} is told of once: ${linesOf(mark)}`);
  }
  // What nobody forbids arrives as it was judged.
  for (const [target, url] of [
    ['/public/x', '/public/x'],
    ['/public/a;b', '/public/a;b'],
    ['/public//../admin', '/public/admin'],
    ['/x/..//public/./%61', '/public/a'],
  ] as const) {
    const { status, got } = await ask('paths.example', target);
    assert.deepEqual([status, got?.url], [200, url], target);
  }
});

test('tokens that prove nothing', async () => {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, aud: 'shop', sub: 'ann', exp: now + 600 };
  const good = token(known, claims);
  const [head = '', payload = '', signature = ''] = good.split('.');
  const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const table: readonly (readonly [what: string, token: string, status: number])[] = [
    ['alg none', `${base64({ alg: 'none' })}.${payload}.`, 401],
    ['alg none, with a signature', `${base64({ alg: 'none', kid: 'known' })}.${payload}.${signature}`, 401],
    ['alg NoNe', `${base64({ alg: 'NoNe' })}.${payload}.`, 401],
    ['no signature', `${head}.${payload}.`, 401],
    ['no third part', `${head}.${payload}`, 401],
    ['another key', token(other, claims), 401],
    ['a public key for a secret', token(confused, claims, { kid: 'known' }), 401],
    ['a key that it brings along', token(other, claims, { jwk: other.jwk() }), 401],
    ['a key that nobody knows', token(known, claims, { kid: 'unknown' }), 401],
    ['other claims', `${head}.${base64({ ...claims, sub: 'bob' })}.${signature}`, 401],
    ['expired', token(known, { ...claims, exp: now - 600 }), 401],
    ['not yet valid', token(known, { ...claims, nbf: now + 600 }), 401],
    ['another issuer', token(known, { ...claims, iss: 'https://other.test' }), 401],
    ['another audience', token(known, { ...claims, aud: 'bank' }), 403],
    ['another subject', token(known, { ...claims, sub: 'bob' }), 403],
    ['oversized', token(known, { ...claims, filler: 'x'.repeat(80_000) }), 431],
    ['no token at all', 'nonsense', 401],
    ['nothing', '', 403],
  ];
  const answers: [string, number, Answer][] = [];
  for (const [what, sent, expected] of table) {
    const headers = sent === '' ? [] : [`authorization: Bearer ${sent}`];
    answers.push([what, expected, await ask('tokens.example', '/', headers)]);
  }
  // By HTTP/2 nothing but an end of the stream says so to who sent it. This is what a client may be able to send at all.
  const large = token(known, { ...claims, filler: 'x'.repeat(46_000) });
  const reset = await mesh.curl([
    ...['--http2-prior-knowledge', '-H', 'host: tokens.example', '-H', `authorization: Bearer ${large}`],
    `http://${mesh.gateway(80)}/`,
  ]);
  assert.deepEqual([reset.stdout, /INTERNAL_ERROR/.test(reset.stderr)], ['', true]);
  const linesOf = await loggedOf('tokens.example', '/', [`authorization: Bearer ${good}`]);
  for (const [what, expected, { status, got, mark }] of answers) {
    assert.equal(got, undefined, `${what} came to the program`);
    assert.equal(status, expected, what);
    // Of headers that are too large none is read: the line says that and nothing of the request.
    const about = linesOf(expected === 431 ? '-' : mark).filter((line) => !line.includes(' http2.'));
    const refusals = about.filter((line) => !line.includes(' via_upstream'));
    assert.equal(refusals.length, 1, `${what} is told of once: ${refusals}`);
    if (expected === 431) assert.match(refusals[0]!, / 431 .*http1\.headers_too_large/);
  }
  const ofHttp2 = linesOf('-').filter((line) => line.includes(' http2.'));
  assert.deepEqual(ofHttp2, ['mark=- 0 http2.header_list_size_too_large']);
  const all = logs();
  for (const [what, sent] of [...table, ['oversized, by HTTP/2', large]] as const) {
    for (const part of sent.split('.').filter((text) => text.length > 30)) {
      assert.ok(!all.includes(part.slice(0, 1000)), `a part of a token is in a log: ${what}`);
    }
  }
});
