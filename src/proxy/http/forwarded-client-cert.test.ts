import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stubConnection } from '../../../test/support/filter-callbacks.ts';
import { Headers } from '../../wire/headers.ts';
import type { PeerCertificate, TlsInfo } from '../net/connection.ts';
import type { HcmConfig } from './config.ts';
import { forwardClientCert } from './forwarded-client-cert.ts';

const PEER = {
  sha256: 'ab12',
  subject: 'CN=a\\"b,O=mesh',
  uriSans: ['spiffe://td/one', 'spiffe://td/two'],
  dnsSans: ['x.test'],
} as Partial<PeerCertificate>;

function forwarded(mode: string, tls: Partial<TlsInfo> | undefined, before?: string): string | undefined {
  const headers = Headers.request('GET', '/', 'a');
  if (before !== undefined) headers.add('x-forwarded-client-cert', before);
  const config = { forwardClientCert: mode, clientCertDetails: { subject: true, uri: true, dns: true } };
  forwardClientCert(headers, stubConnection({ tls: tls as TlsInfo }), config as unknown as HcmConfig);
  return headers.get('x-forwarded-client-cert');
}

const OWN = { localUriSans: ['spiffe://td/me', 'spiffe://td/also-me'], localDnsSans: ['me.test'] };
const ELEMENT = 'Hash=ab12;Subject="CN=a\\"b,O=mesh";URI=spiffe://td/one;URI=spiffe://td/two;DNS=x.test';
const MUTUAL = { ...OWN, peer: PEER as PeerCertificate };
const BY = 'By=spiffe://td/me;By=spiffe://td/also-me';

for (const [name, mode, tls, before, expected] of [
  ['every URI of both certificates', 'sanitize-set', MUTUAL, 'By=forged', `${BY};${ELEMENT}`],
  ['a name of ours that is no URI is not told', 'sanitize-set', { ...MUTUAL, localUriSans: [] }, undefined, ELEMENT],
  [
    'an empty one for a client that has none',
    'sanitize-set',
    { ...MUTUAL, peer: { ...PEER, uriSans: [] } as unknown as PeerCertificate },
    undefined,
    `${BY};Hash=ab12;Subject="CN=a\\"b,O=mesh";URI=;DNS=x.test`,
  ],
  ['behind what came', 'append-forward', MUTUAL, 'By=other', `By=other,${BY};${ELEMENT}`],
  ['what came', 'forward-only', MUTUAL, 'By=other', 'By=other'],
  ['nothing', 'sanitize', MUTUAL, 'By=forged', undefined],
  ['nobody vouches for it: no client certificate', 'append-forward', OWN, 'By=forged', undefined],
  ['nobody vouches for it: no TLS', 'forward-only', undefined, 'By=forged', undefined],
  ['always', 'always-forward-only', undefined, 'By=other', 'By=other'],
] as const) {
  test(`x-forwarded-client-cert, ${mode}: ${name}`, () => assert.equal(forwarded(mode, tls, before), expected));
}
