import type { Connection } from '../../net/connection.ts';
import { type NetworkData, type NetworkFilter, NetworkStatus } from '../../net/network-filter.ts';
import { NO_PEER } from '../../observe/filter-state.ts';
import { StatGroup } from '../../observe/stats.ts';
import { readPeerExchange } from './peer-exchange.ts';

const NO_GAUGES: ReadonlySet<string> = new Set();

/** Statistics of all these filters together (Istio's `metadata_exchange.`). */
export class MetadataExchangeStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  alpn_protocol_found = 0;
  alpn_protocol_not_found = 0;
  header_not_found = 0;
  initial_header_not_found = 0;
  metadata_added = 0;
}

export interface MetadataExchangeConfig {
  readonly stats: MetadataExchangeStats;
  /** ALPN that both sides speak for it. */
  readonly protocol: string;
  readonly labels: ReadonlySet<string>;
  /** What this proxy says of itself. */
  readonly hello: Uint8Array;
  /** Filter state under which the peer is found. */
  readonly peerKey: string;
}

/** Undefined, and the peer known as unknown, if the two have not agreed on telling each other. */
export function exchangeMetadata(
  config: MetadataExchangeConfig,
  connection: Connection,
  exclude: (received: number, sent: number) => void = () => {},
): NetworkFilter | undefined {
  const { stats, protocol, hello } = config;
  if (connection.tls?.alpn !== protocol) {
    stats.alpn_protocol_not_found++;
    leave(connection, NO_PEER, true);
    return undefined;
  }
  stats.alpn_protocol_found++;
  // Whoever accounts for the connection holds on to this before the peer has said anything.
  connection.filterState ??= new Map();
  connection.write(hello);
  exclude(0, hello.length);
  stats.metadata_added++;
  return new MetadataExchangeFilter(config, connection, exclude);
}

/** Takes what the peer says of itself off the start of a connection. */
class MetadataExchangeFilter implements NetworkFilter {
  readonly #config: MetadataExchangeConfig;
  readonly #connection: Connection;
  readonly #exclude: (received: number, sent: number) => void;
  #done = false;

  constructor(
    config: MetadataExchangeConfig,
    connection: Connection,
    exclude: (received: number, sent: number) => void,
  ) {
    this.#config = config;
    this.#connection = connection;
    this.#exclude = exclude;
  }

  onData(data: NetworkData, end: boolean): NetworkStatus {
    if (this.#done) return NetworkStatus.Continue;
    const { labels, stats, peerKey } = this.#config;
    const found = readPeerExchange(data.bytes, data.start, data.end, labels);
    if (found.kind === 'more' && !end) return NetworkStatus.NeedMore;
    this.#done = true;
    if (found.kind === 'too-long') {
      this.#connection.close('peer metadata too long');
      return NetworkStatus.Stop;
    }
    if (found.kind !== 'told') {
      stats.initial_header_not_found++;
      leave(this.#connection, NO_PEER, true);
      return NetworkStatus.Continue;
    }
    data.start += found.length;
    this.#exclude(found.length, 0);
    if (!found.valid) stats.header_not_found++;
    if (found.peer === undefined) leave(this.#connection, NO_PEER, true);
    else leave(this.#connection, peerKey, found.peer);
    return NetworkStatus.Continue;
  }
}

function leave(connection: Connection, name: string, value: unknown): void {
  (connection.filterState ??= new Map()).set(name, value);
}
