import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfigObject } from '../../config/object.ts';
import { readObjects } from '../../config/read.ts';
import type { Pair } from '../../explain/mutual-tls/pairs.ts';
import { canShowLock, formatMutualTls, type MutualTlsReport, mutualTlsJson } from './mtls-format.ts';

const ID = (account: string) => `spiffe://cluster.local/ns/shop/sa/${account}`;
const pair = (source: string, destination: string, more: Partial<Pair> = {}): Pair => ({
  source: { namespace: 'shop', workload: source, principal: ID(source) },
  destination: { namespace: 'shop', workload: destination, principal: ID(destination) },
  services: [`${destination}.shop.svc.cluster.local`],
  protocol: 'http',
  security: 'mutual_tls',
  count: 3,
  ...more,
});
const NOBODY = { namespace: '', workload: '', principal: '' };
const PLAIN = pair('', 'db', {
  source: NOBODY,
  destination: { ...NOBODY, namespace: 'shop', workload: 'db' },
  security: 'none',
  count: 1,
});
const OUTSIDE = pair('web', '', {
  destination: NOBODY,
  services: ['www.example.com'],
  security: 'unknown',
  protocol: 'tcp',
});

function report(pairs: readonly Pair[], more: Partial<MutualTlsReport> = {}, policies = ''): MutualTlsReport {
  return {
    mesh: 'shop',
    pairs,
    problems: [],
    during: undefined,
    objects: {
      peerAuthentications: readObjects(policies, 'strict.yaml').entries.map(
        ({ object }) => object as ConfigObject<never>,
      ),
      destinationRules: [],
      rootNamespace: 'istio-system',
      domain: 'cluster.local',
      labelsOf: () => ({}),
    },
    ...more,
  };
}

const STRICT =
  '{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: default, namespace: istio-system}, spec: {mtls: {mode: STRICT}}}';

describe('status --mtls', () => {
  it('of a mesh in which everything is encrypted', () => {
    assert.equal(
      formatMutualTls(report([pair('web', 'db')], {}, STRICT), false),
      `mesh shop: mutual TLS on the one pair of workloads, counted since the proxies started
policy of the mesh: STRICT, by PeerAuthentication istio-system/default (strict.yaml:1:1)

SOURCE     DESTINATION   PROTOCOL   SECURITY     COUNT        SOURCE PRINCIPAL               DESTINATION PRINCIPAL
shop/web   shop/db       http       mutual TLS   3 requests   cluster.local/ns/shop/sa/web   cluster.local/ns/shop/sa/db
`,
    );
  });

  it('has a lock where it holds, and columns as wide as the lock is', () => {
    const lines = formatMutualTls(report([PLAIN, pair('web', 'db')]), true).split('\n');
    assert.ok(!lines[0]!.includes('\u{1f512}'), 'not for all');
    assert.ok(!lines[1]!.includes('\u{1f512}'), 'nor by policy');
    assert.match(lines[4]!, /^unknown +shop\/db +http {10}plaintext {4}1 request /);
    assert.match(lines[5]!, /^shop\/web +shop\/db +http {7}\u{1f512} mutual TLS {3}3 requests /u);
    // The lock is two places wide and two UTF-16 units long.
    assert.equal(lines[5]!.indexOf('3 requests'), lines[4]!.indexOf('1 request'));
    const safe = formatMutualTls(report([pair('web', 'db')], {}, STRICT), true);
    assert.match(safe, /^mesh shop: \u{1f512} mutual TLS on the one .*\npolicy of the mesh: \u{1f512} STRICT/u);
    const unseen = report([pair('web', 'db')], { problems: [{ proxy: 'x.shop', problem: 'no answer' }] });
    assert.match(formatMutualTls(unseen, true), /^mesh shop: mutual TLS .*\nerror: x\.shop: no answer\n$/s);
  });

  it('tells how plaintext came, and what cannot be known', () => {
    const text = formatMutualTls(report([PLAIN, OUTSIDE, pair('web', 'db')], { during: 1500 }), false);
    assert.match(
      text,
      /^mesh shop: mutual TLS on 1 of 3 pairs of workloads, counted within 1\.5 s; 1 in plaintext, 1 unknown\n/,
    );
    assert.match(
      text,
      /\nshop\/web +www\.example\.com +tcp +unknown +3 connections +cluster\.local\/ns\/shop\/sa\/web +-\n/,
    );
    assert.match(text, /\nplaintext: unknown to shop\/db: the client has shown no certificate: .*PERMISSIVE\n/);
    assert.match(
      text,
      /\nunknown: shop\/web to www\.example\.com: the destination has no proxy of the mesh that could tell\n$/,
    );
  });

  it('a client that only has a certificate is known by its account', () => {
    const edge = pair('', 'db', {
      source: { namespace: 'edge', workload: '', principal: 'spiffe://td/ns/edge/sa/gw' },
    });
    assert.match(
      formatMutualTls(report([edge]), false),
      /\nedge\/sa\/gw +shop\/db +http +mutual TLS +.* td\/ns\/edge\/sa\/gw /,
    );
  });

  it('of a mesh in which nobody has spoken', () => {
    assert.equal(
      formatMutualTls(report([]), true),
      'mesh shop: no workload has spoken with another since the proxies started\npolicy of the mesh: PERMISSIVE, as no PeerAuthentication is for all of it\n',
    );
  });

  it('as JSON', () => {
    const json = JSON.parse(mutualTlsJson(report([PLAIN, OUTSIDE, pair('web', 'db')], { during: 2000 }, STRICT))) as {
      pairs: { security: string; requests?: number; connections?: number; cause?: string }[];
    };
    const { pairs, ...rest } = json;
    assert.deepEqual(rest, {
      mesh: 'shop',
      encrypted: 1,
      plaintext: 1,
      unknown: 1,
      policy: { mode: 'STRICT', peerAuthentication: 'istio-system/default' },
      secondsCounted: 2,
      problems: [],
    });
    assert.deepEqual(
      pairs.map(({ security, requests, connections, cause }) => [security, requests, connections, cause !== undefined]),
      [
        ['none', 1, undefined, true],
        ['unknown', undefined, 3, false],
        ['mutual_tls', 3, undefined, false],
      ],
    );
  });
});

describe('the lock is for', () => {
  const rows: [Record<string, string>, boolean, boolean][] = [
    [{ LANG: 'en_US.UTF-8', TERM: 'xterm-256color' }, true, true],
    [{ LANG: 'C', LC_ALL: 'C.utf8', TERM: 'xterm' }, true, true],
    [{ LANG: 'en_US.UTF-8', TERM: 'xterm' }, false, false],
    [{ LANG: 'en_US.UTF-8', LC_ALL: 'C', TERM: 'xterm' }, true, false],
    [{ LANG: 'en_US.UTF-8', TERM: 'dumb' }, true, false],
    [{ LANG: 'en_US.UTF-8', TERM: 'linux' }, true, false],
    [{ LANG: 'en_US.UTF-8' }, true, false],
    [{ TERM: 'xterm' }, true, false],
  ];
  for (const [env, isTerminal, expected] of rows) {
    it(`${JSON.stringify(env)} ${isTerminal ? '' : 'no '}terminal: ${expected}`, () =>
      assert.equal(canShowLock(env, isTerminal), expected));
  }
});
