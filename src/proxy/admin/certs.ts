import type { CertificateFacts } from '../tls/transport.ts';
import { type AdminHandler, JSON_TYPE, pretty } from './handler.ts';
import type { AdminProxy } from './proxy.ts';

const DAY = 86_400_000;

export const certs: AdminHandler = {
  path: '/certs',
  help: 'print certificates that are in use, and how long they are valid',
  run: (proxy) => ({ type: JSON_TYPE, body: `${pretty({ certificates: certificates(proxy) })}\n` }),
};

/** One entry for each TLS context, without repetitions. */
function certificates(proxy: AdminProxy): unknown[] {
  const now = Date.now();
  const seen = new Set<string>();
  const entries: unknown[] = [];
  for (const facts of contexts(proxy)) {
    const entry = {
      ca_cert: facts.filter(({ isCa }) => isCa).map((c) => certificate(c, now)),
      cert_chain: facts.filter(({ isCa }) => !isCa).map((c) => certificate(c, now)),
    };
    const key = JSON.stringify(entry);
    if (facts.length === 0 || seen.has(key)) continue;
    seen.add(key);
    entries.push(entry);
  }
  return entries;
}

function* contexts({ clusters, listeners }: AdminProxy): Generator<readonly CertificateFacts[]> {
  for (const { cluster } of clusters.active()) {
    for (const { transport } of cluster.sockets) if (transport) yield transport.certificates;
  }
  for (const { listener } of listeners.listening()) {
    const { chains, defaultChain } = listener.config;
    for (const { transport } of defaultChain ? [...chains, defaultChain] : chains) {
      if (transport) yield transport.certificates;
    }
  }
}

function certificate(facts: CertificateFacts, now: number): unknown {
  const seconds = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
  return {
    path: facts.path,
    serial_number: facts.serialNumber,
    subject_alt_names: facts.subjectAltNames.map(({ type, value }) => ({
      [type === 'ip' ? 'ip_address' : type]: value,
    })),
    days_until_expiration: String(Math.max(0, Math.floor((facts.expirationTime - now) / DAY))),
    valid_from: seconds(facts.validFrom),
    expiration_time: seconds(facts.expirationTime),
  };
}

/** Whole days until the first certificate expires, or undefined if there is none. */
export function daysUntilFirstExpiry(proxy: AdminProxy): number | undefined {
  let first = Infinity;
  for (const facts of contexts(proxy)) for (const { expirationTime } of facts) first = Math.min(first, expirationTime);
  return first === Infinity ? undefined : Math.max(0, Math.floor((first - Date.now()) / DAY));
}
