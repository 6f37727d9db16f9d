import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatMessage } from '../../config/message.ts';
import { readObjects } from '../../config/read.ts';
import { ObjectsSnapshot } from '../../config/store/objects.ts';
import { Adapters } from '../adapters.ts';

const AROUND = `
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: b}, spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: admin, port: 81, targetPort: adm}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: outside, namespace: b}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: w, namespace: b, labels: {app: web}}, spec: {containers: [{name: c, ports: [{name: adm, containerPort: 9000}]}]}}
---
`;

function read(text: string): ObjectsSnapshot {
  const { entries, problems } = readObjects(text, 'f.yaml');
  assert.deepEqual([...problems, ...entries.flatMap((e) => e.errors)].map(formatMessage), []);
  return ObjectsSnapshot.empty.next(new Map(entries.map((e) => [e.key!, e.object!])), [], []);
}

const MADE = ['PeerAuthentication', 'RequestAuthentication', 'AuthorizationPolicy'] as const;

/** What is made of the policies of a text, by kind, namespace and name; and the warnings. */
function made(text: string): Record<string, unknown> {
  const config = new Adapters().adapt(read(AROUND + text), {});
  const objects = MADE.flatMap((kind) =>
    config.list(kind).map(({ metadata, spec }) => [`${kind}/${metadata.namespace}/${metadata.name}`, spec]),
  );
  const warnings = config.warnings.map(formatMessage);
  return { ...Object.fromEntries(objects), ...(warnings.length > 0 ? { warnings } : {}) };
}

const policy = (name: string, spec: string) =>
  `{apiVersion: authentication.istio.io/v1alpha1, kind: Policy, metadata: {name: ${name}, namespace: b}, spec: ${spec}}`;
const meshPolicy = (spec: string) =>
  `{apiVersion: authentication.istio.io/v1alpha1, kind: MeshPolicy, metadata: {name: default}, spec: ${spec}}`;

const JWT = 'issuer: i, jwks_uri: "https://i/keys"';
const JWT_RULE = { issuer: 'i', jwksUri: 'https://i/keys', forwardOriginalToken: true };
const WEB = { selector: { matchLabels: { app: 'web' } } };

/** What it is about, the policy, and what is made of it. */
const table: readonly (readonly [string, string, Record<string, unknown>])[] = [
  [
    'a namespace, tersely',
    policy('default', '{peers: [{mtls: {}}]}'),
    { 'PeerAuthentication/b/default': { mtls: { mode: 'STRICT' } } },
  ],
  [
    'a method that is only named',
    policy('default', '{peers: [{mtls: null}]}'),
    { 'PeerAuthentication/b/default': { mtls: { mode: 'STRICT' } } },
  ],
  [
    'PERMISSIVE',
    policy('default', '{peers: [{mtls: {mode: PERMISSIVE}}]}'),
    { 'PeerAuthentication/b/default': { mtls: { mode: 'PERMISSIVE' } } },
  ],
  [
    'optional peers',
    policy('default', '{peers: [{mtls: {mode: STRICT}}], peerIsOptional: true}'),
    { 'PeerAuthentication/b/default': { mtls: { mode: 'PERMISSIVE' } } },
  ],
  ['no peers', policy('default', '{}'), { 'PeerAuthentication/b/default': { mtls: { mode: 'DISABLE' } } }],
  [
    'the mesh',
    meshPolicy('{peers: [{mtls: {}}]}'),
    { 'PeerAuthentication/istio-system/default': { mtls: { mode: 'STRICT' } } },
  ],
  [
    'a service',
    policy('p', '{targets: [{name: web}], peers: [{mtls: {}}]}'),
    { 'PeerAuthentication/b/p-web': { ...WEB, mtls: { mode: 'STRICT' } } },
  ],
  [
    'ports of a service, by number and by name, and a named port of its pods',
    policy('p', '{targets: [{name: web, ports: [{number: 80}, {name: admin}]}], peers: [{mtls: {}}]}'),
    {
      'PeerAuthentication/b/p-web': {
        ...WEB,
        portLevelMtls: { '8080': { mode: 'STRICT' }, '9000': { mode: 'STRICT' } },
      },
    },
  ],
  [
    'targets that are not there',
    policy('p', '{targets: [{name: gone}, {name: outside}, {name: web, ports: [{number: 1}]}], peers: [{mtls: {}}]}'),
    {
      warnings: [
        'f.yaml:8:115: Policy/b/p: spec.targets[0].name names no service of the namespace: gone',
        'f.yaml:8:129: Policy/b/p: spec.targets[1].name names a service without a selector, whose workloads are not known: outside',
        'f.yaml:8:146: Policy/b/p: spec.targets[2].name names ports that web does not have',
      ],
    },
  ],
  [
    'tokens',
    policy('default', `{peers: [{mtls: {}}], origins: [{jwt: {${JWT}, jwt_headers: [x-t], jwt_params: [t]}}]}`),
    {
      'PeerAuthentication/b/default': { mtls: { mode: 'STRICT' } },
      'RequestAuthentication/b/default': {
        jwtRules: [{ ...JWT_RULE, fromHeaders: [{ name: 'x-t' }], fromParams: ['t'] }],
      },
      'AuthorizationPolicy/b/default': {
        action: 'DENY',
        rules: [{ from: [{ source: { notRequestPrincipals: ['i/*'] } }] }],
      },
    },
  ],
  [
    'optional tokens',
    policy('default', `{peers: [{mtls: {}}], origins: [{jwt: {${JWT}}}], originIsOptional: true}`),
    {
      'PeerAuthentication/b/default': { mtls: { mode: 'STRICT' } },
      'RequestAuthentication/b/default': { jwtRules: [JWT_RULE] },
    },
  ],
  [
    'tokens on some paths of a port',
    policy(
      'p',
      `{targets: [{name: web, ports: [{number: 80}]}], peers: [{mtls: {}}], origins: [{jwt: {${JWT}, trigger_rules: [{excluded_paths: [{exact: /health}, {suffix: .css}]}, {included_paths: [{prefix: /admin/}]}]}}]}`,
    ),
    {
      'PeerAuthentication/b/p-web': { ...WEB, portLevelMtls: { '8080': { mode: 'STRICT' } } },
      'RequestAuthentication/b/p-web': { ...WEB, jwtRules: [JWT_RULE] },
      'AuthorizationPolicy/b/p-web': {
        ...WEB,
        action: 'DENY',
        rules: [
          {
            from: [{ source: { notRequestPrincipals: ['i/*'] } }],
            to: [{ operation: { ports: ['8080'], notPaths: ['/health', '*.css'] } }],
          },
          {
            from: [{ source: { notRequestPrincipals: ['i/*'] } }],
            to: [{ operation: { ports: ['8080'], paths: ['/admin/*'] } }],
          },
        ],
      },
    },
  ],
];

describe('what is made of a policy', () => {
  for (const [about, text, expected] of table) test(about, () => assert.deepEqual(made(text), expected));
});

test('an object that somebody wrote stands before one of its name that was made', () => {
  const written =
    '{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: default, namespace: b}, spec: {mtls: {mode: PERMISSIVE}}}';
  assert.deepEqual(made(`${policy('default', '{peers: [{mtls: {}}]}')}\n---\n${written}`), {
    'PeerAuthentication/b/default': { mtls: { mode: 'PERMISSIVE' } },
  });
});

test('what did not change is the same object in the next configuration', () => {
  const adapters = new Adapters();
  const first = read(AROUND + policy('p', '{targets: [{name: web}], peers: [{mtls: {}}]}'));
  const before = adapters.adapt(first, {});
  const second = first.next(new Map([['Pod/b/w', undefined]]), [], []);
  const after = adapters.adapt(second, {});
  assert.equal(after.list('PeerAuthentication')[0], before.list('PeerAuthentication')[0]);
  assert.equal(before.list('PeerAuthentication', 'b').length, 1);
  assert.deepEqual(before.list('PeerAuthentication', 'c'), []);
  const without = second.next(new Map([['Policy/b/p', undefined]]), [], []);
  assert.equal(adapters.adapt(without, {}), without, 'nothing is made, so nothing is laid over');
});

test('messages about what was made lead to the policy', () => {
  const config = new Adapters().adapt(read(AROUND + policy('default', '{peers: [{mtls: {}}]}')), {});
  const at = config.get('PeerAuthentication', 'b', 'default')!.locate(['spec', 'mtls', 'mode']);
  assert.deepEqual([at.file, at.line], ['f.yaml', 8]);
});
