import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { ControlClient } from '../../src/config/control/client.ts';
import { ecKey, token } from '../support/jwt.ts';
import { execute, meshRecord, meshStatus, TestedMesh } from '../support/local-mesh.ts';
import { until } from '../support/reference.ts';

/** What is left to do when the file is over. */
const cleanups: (() => void | Promise<void>)[] = [];
const context = { after: (fn: () => void | Promise<void>) => void cleanups.push(fn) };

const ISSUER = 'https://issuer.test';
const known = ecKey('known');
const other = ecKey('known');

/** Answers with who has asked, as its sidecar says, and with the header that a policy may have made of a token. */
const WEB = `
import http from 'node:http';
const { HOST, PORT = '8080' } = process.env;
const serve = (port) => http.createServer(({ headers }, response) => {
  const caller = /URI=([^;,]*)/.exec(headers['x-forwarded-client-cert'] ?? '')?.[1] ?? 'nobody';
  response.end(JSON.stringify({ caller, payload: headers['x-payload'], token: headers.authorization, seen: headers['x-seen'] }));
}).listen(port, HOST);
serve(8080);
serve(8081);
`;

const JWKS = `
import fs from 'node:fs';
import http from 'node:http';
const { HOST, PORT } = process.env;
http.createServer((request, response) => response.end(fs.readFileSync(new URL('jwks.json', import.meta.url)))).listen(PORT, HOST);
`;

/** Lets through who says so in a header, and tells the upstream that it was asked. */
const AUTHZ = `
import http from 'node:http';
const { HOST, PORT } = process.env;
http.createServer(({ headers }, response) => {
  response.writeHead(headers['x-allow'] === 'yes' ? 200 : 403, { 'x-seen': 'yes' });
  response.end('asked');
}).listen(PORT, HOST);
`;

const workload = (name: string, namespace: string, rest: { command: string; ports?: number[]; inject?: boolean }) => `
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: ${name}, namespace: ${namespace}}}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  selector: {app: ${name}}
  ports: ${JSON.stringify((rest.ports ?? [80]).map((port) => ({ name: `http-${port}`, port })))}
---
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: ${namespace}
  labels: {app: ${name}, sidecar.istio.io/inject: "${rest.inject ?? true}"}
spec:
  serviceAccountName: ${name}
  containers:
  - {name: main, command: ${rest.command}, ports: ${JSON.stringify((rest.ports ?? []).map((p) => ({ containerPort: p })))}}
`;

const FILES = {
  'web.mjs': WEB,
  'jwks.mjs': JWKS,
  'authz.mjs': AUTHZ,
  'jwks.json': JSON.stringify({ keys: [known.jwk()] }),
  'mesh.yaml': `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec:
  profile: minimal
  meshConfig:
    accessLogFormat: "%REQ(:PATH)% audited=%DYNAMIC_METADATA(envoy.common:access_log_hint)%\\n"
    extensionProviders:
    - name: gatekeeper
      envoyExtAuthzHttp:
        service: authz.default.svc.cluster.local
        port: 9000
        includeRequestHeadersInCheck: [x-allow]
        headersToUpstreamOnAllow: [x-seen]
${workload('web', 'default', { command: '[node, web.mjs]', ports: [8080, 8081] })}
${workload('plain', 'default', { command: '[node, web.mjs]', ports: [8080, 8081], inject: false })}
${workload('jwks', 'default', { command: '[node, jwks.mjs]', ports: [8000], inject: false })}
${workload('authz', 'default', { command: '[node, authz.mjs]', ports: [9000] })}
${workload('friend', 'default', { command: '[sleep, "100000"]' })}
${workload('stranger', 'elsewhere', { command: '[sleep, "100000"]' })}
${workload('outsider', 'elsewhere', { command: '[sleep, "100000"]', inject: false })}
`,
};

let mesh: TestedMesh;
let client: ControlClient;
const environments = new Map<string, Record<string, string>>();
const addresses = new Map<string, string>();

before(async () => {
  mesh = await TestedMesh.start(context, FILES);
  client = new ControlClient(meshRecord(mesh).controlSocket);
  for (const { name, namespace, podIp } of (await meshStatus(mesh)).pods) {
    addresses.set(name, podIp);
    environments.set(name, (await client.environment(namespace, name, undefined)).env);
  }
});

after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

interface Answer {
  /** 0 if there was none. */
  readonly status: number;
  readonly body: Record<string, string>;
}

/** What somebody gets. `url` is that of a service; who has no sidecar asks the pod itself. */
async function ask(who: string, url: string, ...headers: string[]): Promise<Answer> {
  const direct = who === 'outsider' ? url.replace(/\/\/(\w+)\.default/, (_, name) => `//${addresses.get(name)}`) : url;
  const flags = headers.flatMap((header) => ['-H', header]);
  const args = ['-s', '-m', '10', '-w', '\n%{http_code}', ...flags, direct];
  const { stdout } = await execute('curl', args, { env: environments.get(who)! });
  const [body = '', status = ''] = stdout.split('\n');
  return { status: Number(status), body: body.startsWith('{') ? JSON.parse(body) : {} };
}

const status = async (...args: Parameters<typeof ask>) => (await ask(...args)).status;

/**
 * Waits until somebody gets this status. A connection that is older than a policy may serve one more request as before,
 * and is then closed, as with Envoy.
 */
async function gets(expected: number, ...args: Parameters<typeof ask>): Promise<void> {
  let last: number | undefined;
  const look = async () => {
    last = await status(...args);
    return last === expected || undefined;
  };
  await until('the answer', look, 10_000).catch(() => assert.equal(last, expected, args.join(' ')));
}

/** Puts policies into force for one test. */
async function withPolicies(t: { after(fn: () => Promise<void>): void }, ...objects: string[]): Promise<void> {
  const text = objects.map((object) => `{apiVersion: security.istio.io/v1, ${object}}`).join('\n---\n');
  const { code, stdout, stderr } = await mesh.isthmus(['apply', '--wait', '-f', '-'], text);
  assert.equal(code, 0, stdout + stderr);
  t.after(async () => {
    const gone = await mesh.isthmus(['delete', '--wait', '-f', '-'], text);
    assert.equal(gone.code, 0, gone.stdout + gone.stderr);
  });
}

const FRIEND = 'spiffe://cluster.local/ns/default/sa/friend';
const STRANGER = 'spiffe://cluster.local/ns/elsewhere/sa/stranger';
const WEB_URL = 'http://web.default:8080/';

describe('mutual TLS', () => {
  test('is used where both sides can and nothing says so, and plain text where one cannot', async () => {
    assert.equal((await ask('friend', WEB_URL)).body.caller, FRIEND);
    assert.equal((await ask('stranger', WEB_URL)).body.caller, STRANGER);
    assert.deepEqual(await ask('outsider', WEB_URL), { status: 200, body: { caller: 'nobody' } });
    assert.deepEqual(await ask('friend', 'http://plain.default:8080/'), { status: 200, body: { caller: 'nobody' } });
  });

  /** What the outsider gets of ports 8080 and 8081, under a policy. */
  const outside = async () => [await status('outsider', WEB_URL), await status('outsider', 'http://web.default:8081/')];
  const table: readonly (readonly [string, readonly string[], readonly number[]])[] = [
    [
      'of the mesh',
      ['kind: PeerAuthentication, metadata: {name: default, namespace: istio-system}, spec: {mtls: {mode: STRICT}}'],
      [0, 0],
    ],
    ['of the namespace', ['kind: PeerAuthentication, metadata: {name: default}, spec: {mtls: {mode: STRICT}}'], [0, 0]],
    [
      'of the namespace over that of the mesh',
      [
        'kind: PeerAuthentication, metadata: {name: default, namespace: istio-system}, spec: {mtls: {mode: STRICT}}',
        'kind: PeerAuthentication, metadata: {name: default}, spec: {mtls: {mode: PERMISSIVE}}',
      ],
      [200, 200],
    ],
    [
      'of the workload over that of the namespace',
      [
        'kind: PeerAuthentication, metadata: {name: default}, spec: {mtls: {mode: STRICT}}',
        'kind: PeerAuthentication, metadata: {name: web}, spec: {selector: {matchLabels: {app: web}}, mtls: {mode: PERMISSIVE}}',
      ],
      [200, 200],
    ],
    [
      'of a port over that of the workload',
      [
        'kind: PeerAuthentication, metadata: {name: web}, spec: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {8081: {mode: DISABLE}}}',
      ],
      [0, 200],
    ],
  ];
  for (const [whose, policies, expected] of table) {
    test(`the policy ${whose} decides`, async (t) => {
      await withPolicies(t, ...policies);
      assert.deepEqual(await outside(), expected);
      assert.equal((await ask('friend', WEB_URL)).body.caller, FRIEND, 'mutual TLS works under every policy');
      assert.equal(await status('friend', 'http://web.default:8081/'), 200);
    });
  }
});

describe('tokens', () => {
  const soon = () => Math.floor(Date.now() / 1000) + 600;
  const bearer = (key: typeof known, payload: object) =>
    `authorization: Bearer ${token(key, { iss: ISSUER, sub: 'ann', exp: soon(), ...payload })}`;

  test('keys are fetched from a program of the mesh; no token is let through, a bad one is not', async (t) => {
    await withPolicies(
      t,
      `kind: RequestAuthentication, metadata: {name: web}, spec: {selector: {matchLabels: {app: web}}, jwtRules: [{issuer: "${ISSUER}", jwksUri: "http://jwks.default:8000/", audiences: [web], outputPayloadToHeader: x-payload}]}`,
    );
    const good = bearer(known, { aud: 'web' });
    await gets(200, 'friend', WEB_URL, good);
    const { body } = await ask('friend', WEB_URL, good);
    assert.equal(JSON.parse(Buffer.from(body.payload!, 'base64url').toString()).sub, 'ann');
    assert.equal(body.token, undefined, 'the token is not handed on');
    const bad: readonly (readonly [string, string, number])[] = [
      ['no token', 'x-nothing: here', 200],
      ['another key of that name', bearer(other, { aud: 'web' }), 401],
      ['another audience', bearer(known, { aud: 'shop' }), 403],
    ];
    for (const [, header, expected] of bad) await gets(expected, 'friend', WEB_URL, header);
  });

  test('with a policy, only who has one is let in, by what it says', async (t) => {
    await withPolicies(
      t,
      `kind: RequestAuthentication, metadata: {name: web}, spec: {selector: {matchLabels: {app: web}}, jwtRules: [{issuer: "${ISSUER}", jwks: '${JSON.stringify({ keys: [known.jwk()] })}'}]}`,
      `kind: AuthorizationPolicy, metadata: {name: web}, spec: {selector: {matchLabels: {app: web}}, action: ALLOW, rules: [{from: [{source: {requestPrincipals: ["${ISSUER}/*"]}}], when: [{key: "request.auth.claims[role]", values: [admin]}]}]}`,
    );
    await gets(403, 'friend', WEB_URL);
    await gets(403, 'friend', WEB_URL, bearer(known, {}));
    await gets(200, 'friend', WEB_URL, bearer(known, { role: 'admin' }));
    await gets(200, 'friend', WEB_URL, bearer(known, { role: ['user', 'admin'] }));
    await gets(401, 'friend', WEB_URL, bearer(other, { role: 'admin' }));
  });
});

describe('authorization', () => {
  const policy = (name: string, spec: string) =>
    `kind: AuthorizationPolicy, metadata: {name: ${name}}, spec: {selector: {matchLabels: {app: web}}, ${spec}}`;

  test('ALLOW by principal, namespace, method and path: what no rule allows is refused', async (t) => {
    await withPolicies(
      t,
      policy(
        'allow',
        'action: ALLOW, rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/friend]}}], to: [{operation: {methods: [GET], paths: [/open/*]}}]}, {from: [{source: {namespaces: [elsewhere]}}], to: [{operation: {paths: [/everybody]}}]}]',
      ),
    );
    const table: readonly (readonly [string, string, number])[] = [
      ['friend', 'open/a', 200],
      ['friend', 'closed', 403],
      ['friend', 'everybody', 403],
      ['stranger', 'open/a', 403],
      ['stranger', 'everybody', 200],
      ['outsider', 'open/a', 403],
      ['outsider', 'everybody', 403],
    ];
    for (const [who, path, expected] of table) await gets(expected, who, WEB_URL + path);
  });

  test('DENY stands before ALLOW, and paths are compared as they will be read', async (t) => {
    await withPolicies(
      t,
      policy('allow', 'action: ALLOW, rules: [{}]'),
      policy('deny', 'action: DENY, rules: [{to: [{operation: {paths: [/admin, /admin/*]}}]}]'),
    );
    await gets(200, 'friend', `${WEB_URL}open`);
    await gets(403, 'friend', `${WEB_URL}admin`);
    await gets(403, 'friend', `${WEB_URL}admin/x?y=z`);
    await gets(403, 'friend', `${WEB_URL}%61dmin/x`);
  });

  test('AUDIT lets everything through, and marks what its rules name', async (t) => {
    await withPolicies(t, policy('audit', 'action: AUDIT, rules: [{to: [{operation: {paths: [/watched]}}]}]'));
    const { pods } = await meshStatus(mesh);
    const { logFile } = pods.find(({ name }) => name === 'web')!.containers.find(({ name }) => name === 'istio-proxy')!;
    const logged = (line: string) => fs.readFileSync(logFile, 'utf8').split('\n').includes(line) || undefined;
    await until('what a rule names is marked', async () => {
      assert.equal(await status('friend', `${WEB_URL}watched`), 200);
      return logged('/watched audited=true');
    });
    assert.equal(await status('friend', `${WEB_URL}unwatched`), 200);
    await until('the other is not', () => logged('/unwatched audited=false'));
  });

  test('CUSTOM asks a program, before DENY and ALLOW and only where a rule says so', async (t) => {
    await withPolicies(
      t,
      policy(
        'custom',
        'action: CUSTOM, provider: {name: gatekeeper}, rules: [{to: [{operation: {paths: [/asked*]}}]}]',
      ),
      policy('deny', 'action: DENY, rules: [{to: [{operation: {paths: [/asked/denied]}}]}]'),
    );
    await gets(200, 'friend', `${WEB_URL}free`);
    await gets(403, 'friend', `${WEB_URL}asked`);
    const allowed = await ask('friend', `${WEB_URL}asked`, 'x-allow: yes');
    assert.deepEqual([allowed.status, allowed.body.seen], [200, 'yes']);
    await gets(403, 'friend', `${WEB_URL}asked/denied`, 'x-allow: yes');
  });
});
