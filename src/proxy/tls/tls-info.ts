import type tls from 'node:tls';
import type { PeerCertificate, TlsInfo } from '../net/connection.ts';
import type { KeyPair } from './key-pair.ts';

/** What is the same for every connection with a certificate of ours. */
interface LocalFacts {
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly subject: string;
}

const NONE: LocalFacts = { uriSans: [], dnsSans: [], subject: '' };
const localFacts = new WeakMap<KeyPair, LocalFacts>();

function factsOf(pair: KeyPair | undefined): LocalFacts {
  if (pair === undefined) return NONE;
  let facts = localFacts.get(pair);
  if (facts === undefined) {
    const { leaf } = pair;
    facts = { uriSans: leaf.namesOf('uri'), dnsSans: leaf.namesOf('dns'), subject: leaf.subject };
    localFacts.set(pair, facts);
  }
  return facts;
}

/** What is known of a connection: all of one that was admitted, and of another one as far as it has come. */
export function connectionInfo(
  socket: tls.TLSSocket,
  known: {
    readonly version: string;
    readonly resumed: boolean;
    readonly sni: string;
    readonly peer: PeerCertificate | undefined;
    readonly own: KeyPair | undefined;
  },
): TlsInfo {
  const local = factsOf(known.own);
  return {
    version: known.version,
    cipher: (socket.getCipher() as tls.CipherNameAndProtocol | undefined)?.name ?? '',
    alpn: socket.alpnProtocol || '',
    sni: known.sni,
    resumed: known.resumed,
    peer: known.peer,
    localUriSans: local.uriSans,
    localDnsSans: local.dnsSans,
    localSubject: local.subject,
  };
}
