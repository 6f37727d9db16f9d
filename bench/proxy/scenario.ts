/** What a comparison is about: how the client speaks, and how many proxies are in the way. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  /** What the client speaks to the first proxy. */
  readonly downstream: 'http1' | 'http1-tls' | 'http2';
  /** Two proxies of the same make, with mutual TLS between them. */
  readonly pair: boolean;
  /** What is asked for: a few bytes, or a mebibyte. */
  readonly path: '/' | '/mebibyte';
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'http1', about: 'HTTP/1.1, one proxy', downstream: 'http1', pair: false, path: '/' },
  { name: 'tls', about: 'HTTP/1.1 over TLS 1.3, one proxy', downstream: 'http1-tls', pair: false, path: '/' },
  {
    name: 'mtls',
    about: 'HTTP/1.1 through two proxies, mutual TLS between them',
    downstream: 'http1',
    pair: true,
    path: '/',
  },
  { name: 'http2', about: 'HTTP/2 from the client, HTTP/1.1 behind', downstream: 'http2', pair: false, path: '/' },
  { name: 'bulk', about: 'HTTP/1.1, answers of 1 MiB', downstream: 'http1', pair: false, path: '/mebibyte' },
  {
    name: 'bulk-tls',
    about: 'HTTP/1.1 over TLS 1.3, answers of 1 MiB',
    downstream: 'http1-tls',
    pair: false,
    path: '/mebibyte',
  },
  {
    name: 'bulk-http2',
    about: 'HTTP/2 from the client, answers of 1 MiB',
    downstream: 'http2',
    pair: false,
    path: '/mebibyte',
  },
];

/** One proxy in a chain: where it listens, where it sends to, and what is encrypted. */
export interface Hop {
  readonly listen: number;
  readonly upstream: number;
  readonly downstream: Scenario['downstream'];
  /** Present for a server that wants client certificates. */
  readonly requireClient: boolean;
  /** Whether it speaks mutual TLS to its upstream. */
  readonly originate: boolean;
}

/** Files in PEM that contenders are given: one certificate for client and server, and its root. */
export interface Certificates {
  readonly cert: string;
  readonly key: string;
  readonly root: string;
}

/** The hops from the client to the backend. */
export function hopsOf(scenario: Scenario, ports: readonly number[], backend: number): Hop[] {
  const { downstream, pair } = scenario;
  const [first = 0, second = 0] = ports;
  if (!pair) return [{ listen: first, upstream: backend, downstream, requireClient: false, originate: false }];
  return [
    { listen: first, upstream: second, downstream, requireClient: false, originate: true },
    { listen: second, upstream: backend, downstream: 'http1-tls', requireClient: true, originate: false },
  ];
}
