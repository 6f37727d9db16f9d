import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CAPTURE_DEFAULTS, type CaptureOptions } from './options.ts';
import { captureRoutes, captureRules, type Rule, restoreText } from './rules.ts';

/** Rules of a table as iptables-save prints them. */
function rulesOf(options: Partial<CaptureOptions>, family: 4 | 6 = 4, table: Rule['table'] = 'nat'): string[] {
  return captureRules({ ...CAPTURE_DEFAULTS, ...options }, family)
    .filter((rule) => rule.table === table)
    .map(({ chain, args }) => `${chain} ${args.join(' ')}`);
}

const REDIRECTS = [
  'ISTIO_INBOUND -p tcp --dport 15008 -j RETURN',
  'ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001',
  'ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006',
];
const INBOUND_ALL = [
  'PREROUTING -p tcp -j ISTIO_INBOUND',
  'ISTIO_INBOUND -p tcp --dport 15090 -j RETURN',
  'ISTIO_INBOUND -p tcp --dport 15021 -j RETURN',
  'ISTIO_INBOUND -p tcp --dport 15020 -j RETURN',
  'ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT',
];
const owner = (kind: 'uid' | 'gid', localhost = '127.0.0.1/32') => [
  `ISTIO_OUTPUT -o lo ! -d ${localhost} -p tcp ! --dport 15008 -m owner --${kind}-owner 1337 -j ISTIO_IN_REDIRECT`,
  `ISTIO_OUTPUT -o lo -m owner ! --${kind}-owner 1337 -j RETURN`,
  `ISTIO_OUTPUT -m owner --${kind}-owner 1337 -j RETURN`,
];
const PROXY = ['ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN', ...owner('uid'), ...owner('gid')];
const LOCALHOST = 'ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN';
const ALL_OUT = 'ISTIO_OUTPUT -p tcp -j ISTIO_REDIRECT';

const CASES: readonly [what: string, options: Partial<CaptureOptions>, rules: readonly string[]][] = [
  [
    'a sidecar as the injector makes it',
    {},
    [...REDIRECTS, ...INBOUND_ALL, 'OUTPUT -j ISTIO_OUTPUT', ...PROXY, LOCALHOST, ALL_OUT],
  ],
  [
    'nothing inbound',
    { includeInboundPorts: [] },
    [...REDIRECTS, 'OUTPUT -j ISTIO_OUTPUT', ...PROXY, LOCALHOST, ALL_OUT],
  ],
  [
    'some ports inbound; the excluded ones are not among them',
    { includeInboundPorts: [8080, 9090] },
    [
      ...REDIRECTS,
      'PREROUTING -p tcp -j ISTIO_INBOUND',
      'ISTIO_INBOUND -p tcp --dport 8080 -j ISTIO_IN_REDIRECT',
      'ISTIO_INBOUND -p tcp --dport 9090 -j ISTIO_IN_REDIRECT',
      'OUTPUT -j ISTIO_OUTPUT',
      ...PROXY,
      LOCALHOST,
      ALL_OUT,
    ],
  ],
  [
    'ports outbound that bypass the proxy come first',
    { excludeOutboundPorts: [22, 3306] },
    [
      ...REDIRECTS,
      ...INBOUND_ALL,
      'OUTPUT -j ISTIO_OUTPUT',
      'ISTIO_OUTPUT -p tcp --dport 22 -j RETURN',
      'ISTIO_OUTPUT -p udp --dport 22 -j RETURN',
      'ISTIO_OUTPUT -p tcp --dport 3306 -j RETURN',
      'ISTIO_OUTPUT -p udp --dport 3306 -j RETURN',
      ...PROXY,
      LOCALHOST,
      ALL_OUT,
    ],
  ],
  [
    'one range but for a part of it, and a port wherever it is',
    {
      includeOutboundRanges: ['10.0.0.0/8', 'fd00::/8'],
      excludeOutboundRanges: ['10.1.0.0/16'],
      includeOutboundPorts: [5432],
    },
    [
      ...REDIRECTS,
      ...INBOUND_ALL,
      'OUTPUT -j ISTIO_OUTPUT',
      ...PROXY,
      LOCALHOST,
      'ISTIO_OUTPUT -d 10.1.0.0/16 -j RETURN',
      'ISTIO_OUTPUT -p tcp --dport 5432 -j ISTIO_REDIRECT',
      'ISTIO_OUTPUT -d 10.0.0.0/8 -p tcp -j ISTIO_REDIRECT',
    ],
  ],
  [
    'an interface that is left alone',
    { excludeInterfaces: ['eth1'] },
    [
      ...REDIRECTS,
      'PREROUTING -i eth1 -j RETURN',
      ...INBOUND_ALL,
      'OUTPUT -o eth1 -j RETURN',
      'OUTPUT -j ISTIO_OUTPUT',
      ...PROXY,
      LOCALHOST,
      ALL_OUT,
    ],
  ],
];

for (const [what, options, rules] of CASES) test(what, () => assert.deepEqual(rulesOf(options), rules));

test('IPv6 has its own localhost and ranges', () => {
  const options = { proxyUids: [], includeOutboundRanges: ['10.0.0.0/8', 'fd00::/8'] };
  assert.deepEqual(rulesOf(options, 6).slice(REDIRECTS.length + INBOUND_ALL.length), [
    'OUTPUT -j ISTIO_OUTPUT',
    'ISTIO_OUTPUT -o lo -s ::6/128 -j RETURN',
    ...owner('gid', '::1/128'),
    'ISTIO_OUTPUT -d ::1/128 -j RETURN',
    'ISTIO_OUTPUT -d fd00::/8 -p tcp -j ISTIO_REDIRECT',
  ]);
});

const TPROXY: Partial<CaptureOptions> = { inboundMode: 'TPROXY', proxyUids: [], excludeInterfaces: ['eth1'] };
const tproxyRules = (take: readonly string[], localhost = '127.0.0.1/32', passthrough = '127.0.0.6/32') => [
  'PREROUTING -i eth1 -j RETURN',
  'PREROUTING -p tcp -j ISTIO_INBOUND',
  'ISTIO_DIVERT -j MARK --set-mark 1337',
  'ISTIO_DIVERT -j ACCEPT',
  `ISTIO_TPROXY ! -d ${localhost} -p tcp -j TPROXY --tproxy-mark 1337/0xffffffff --on-port 15006`,
  'ISTIO_INBOUND -p tcp -m mark --mark 1337 -j RETURN',
  `ISTIO_INBOUND -p tcp -s ${passthrough} -i lo -j RETURN`,
  'ISTIO_INBOUND -p tcp -i lo -m mark ! --mark 1338 -j RETURN',
  ...take,
  'PREROUTING -p tcp -m mark --mark 1337 -j CONNMARK --save-mark',
  'OUTPUT -o eth1 -j RETURN',
  'OUTPUT -p tcp -o lo -m mark --mark 1337 -j RETURN',
  `OUTPUT ! -d ${localhost} -p tcp -o lo -m owner --gid-owner 1337 -j MARK --set-mark 1338`,
  'OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark',
];

test('under TPROXY what comes in is marked on its way to the proxy, and so is what that passes on', () => {
  assert.deepEqual(
    rulesOf(TPROXY, 4, 'mangle'),
    tproxyRules([
      'ISTIO_INBOUND -p tcp --dport 15090 -j RETURN',
      'ISTIO_INBOUND -p tcp --dport 15021 -j RETURN',
      'ISTIO_INBOUND -p tcp --dport 15020 -j RETURN',
      'ISTIO_INBOUND -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT',
      'ISTIO_INBOUND -p tcp -j ISTIO_TPROXY',
    ]),
  );
  const some = rulesOf({ ...TPROXY, includeInboundPorts: [8080] }, 6, 'mangle');
  const match = 'ISTIO_INBOUND -p tcp --dport 8080';
  const take = [`${match} -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT`, `${match} -j ISTIO_TPROXY`];
  assert.deepEqual(some, tproxyRules(take, '::1/128', '::6/128'));
  assert.deepEqual(rulesOf({ ...TPROXY, excludeInterfaces: [] }), [
    ...REDIRECTS,
    'OUTPUT -j ISTIO_OUTPUT',
    'ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN',
    'ISTIO_OUTPUT -o lo -p tcp -m mark --mark 1337 -j RETURN',
    ...owner('gid'),
    LOCALHOST,
    ALL_OUT,
  ]);
  assert.deepEqual(rulesOf({ ...TPROXY, includeInboundPorts: [] }, 4, 'mangle'), []);
});

test('routes of packets that stay in the namespace whatever their address', () => {
  const tproxy = { ...CAPTURE_DEFAULTS, ...TPROXY };
  const routes = ['rule add fwmark 1337 lookup 133', 'route add local default dev lo table 133'];
  const source = 'addr replace ::6/128 dev lo nodad';
  const routesOf = (options: CaptureOptions, family: 4 | 6) =>
    captureRoutes(options, family).map((args) => args.join(' '));
  assert.deepEqual(routesOf(tproxy, 4), routes);
  assert.deepEqual(routesOf(tproxy, 6), [source, ...routes]);
  assert.deepEqual(routesOf({ ...tproxy, includeInboundPorts: [] }, 4), []);
  assert.deepEqual(routesOf(CAPTURE_DEFAULTS, 6), [source]);
});

test('DNS goes to the agent, whose own queries go out and are tracked apart', () => {
  const options = { proxyGids: [], dns: { port: 15053, servers: ['10.0.0.10', 'fd00::10'] } };
  assert.deepEqual(rulesOf(options).slice(REDIRECTS.length + INBOUND_ALL.length), [
    'OUTPUT -j ISTIO_OUTPUT',
    'ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN',
    'ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp -m multiport ! --dports 53,15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT',
    'ISTIO_OUTPUT -o lo -p tcp ! --dport 53 -m owner ! --uid-owner 1337 -j RETURN',
    'ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN',
    'ISTIO_OUTPUT -j ISTIO_OUTPUT_DNS',
    'ISTIO_OUTPUT_DNS -p tcp --dport 53 -d 10.0.0.10/32 -j REDIRECT --to-ports 15053',
    'ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --uid-owner 1337 -j RETURN',
    'ISTIO_OUTPUT_DNS -p udp --dport 53 -d 10.0.0.10/32 -j REDIRECT --to-ports 15053',
    'ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN',
    'ISTIO_OUTPUT -p tcp -j ISTIO_REDIRECT',
  ]);
  assert.deepEqual(rulesOf(options, 4, 'raw'), [
    'OUTPUT -j ISTIO_OUTPUT_DNS',
    'ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --uid-owner 1337 -j CT --zone 1',
    'ISTIO_OUTPUT_DNS -p udp --sport 15053 -m owner --uid-owner 1337 -j CT --zone 2',
    'PREROUTING -j ISTIO_INBOUND',
    'ISTIO_OUTPUT_DNS -p udp --dport 53 -d 10.0.0.10/32 -j CT --zone 2',
    'ISTIO_INBOUND -p udp --sport 53 -s 10.0.0.10/32 -j CT --zone 1',
  ]);
});

test('whoever is asked for names, where all DNS is taken', () => {
  const names = rulesOf({ dns: { port: 15053, servers: '*' } }).filter((rule) => rule.includes('--to-ports 15053'));
  assert.deepEqual(names, [
    'ISTIO_OUTPUT_DNS -p tcp --dport 53 -j REDIRECT --to-ports 15053',
    'ISTIO_OUTPUT_DNS -p udp --dport 53 -j REDIRECT --to-ports 15053',
  ]);
});

test('what iptables-restore reads: own chains first, nothing twice', () => {
  const options = { ...CAPTURE_DEFAULTS, proxyUids: [], includeInboundPorts: [80] };
  assert.equal(
    restoreText(captureRules(options, 4)),
    `*nat
:ISTIO_INBOUND - [0:0]
:ISTIO_REDIRECT - [0:0]
:ISTIO_IN_REDIRECT - [0:0]
:ISTIO_OUTPUT - [0:0]
-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp --dport 80 -j ISTIO_IN_REDIRECT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -p tcp -j ISTIO_REDIRECT
COMMIT
`,
  );
});
