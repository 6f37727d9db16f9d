import { codeOf } from '../../base/errors.ts';
import { StatGroup } from '../observe/stats.ts';

const NO_GAUGES: ReadonlySet<string> = new Set();

/** Counters of peers that were not admitted. */
export type VerifyStatistic = 'fail_verify_no_cert' | 'fail_verify_error' | 'fail_verify_san' | 'fail_verify_cert_hash';

/** TLS statistics of one listener or cluster (Envoy's `listener.ADDRESS.ssl.` and `cluster.NAME.ssl.`). */
class TlsStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  connection_error = 0;
  handshake = 0;
  session_reused = 0;
  no_certificate = 0;
  fail_verify_no_cert = 0;
  fail_verify_error = 0;
  fail_verify_san = 0;
  fail_verify_cert_hash = 0;
  #negotiated: Map<string, number> | undefined = undefined;

  /** Counts a handshake that was admitted, by `ciphers.` and `versions.`. */
  negotiated(cipher: string, version: string): void {
    this.handshake++;
    this.#count(`ciphers.${cipher}`);
    this.#count(`versions.${version}`);
  }

  /** Counts a handshake that failed before there was a peer to judge. Peers that just go away are no errors of TLS. */
  failed(error: Error | undefined): void {
    const code = codeOf(error);
    if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') this.fail_verify_no_cert++;
    else if (code?.startsWith('ERR_SSL_')) this.connection_error++;
  }

  /** Counts a peer that was not admitted; `connection_error` is for all that have no name of their own. */
  refused(statistic: VerifyStatistic | undefined): void {
    this[statistic ?? 'connection_error']++;
  }

  #count(name: string): void {
    const counts = (this.#negotiated ??= new Map());
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }

  override dynamic(): Iterable<readonly [string, number]> {
    return this.#negotiated ?? [];
  }
}

/** What became of contexts when secrets changed (`server_ssl_socket_factory.`, `client_ssl_socket_factory.`). */
class TlsFactoryStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  downstream_context_secrets_not_ready = 0;
  ssl_context_update_by_sds = 0;
  upstream_context_secrets_not_ready = 0;
}

/** The two groups of one transport; whoever owns it shows them under its own name. */
export interface TransportStats {
  readonly ssl: TlsStats;
  readonly factory: TlsFactoryStats;
  /** The transport does not count any more. May be called again. */
  release(): void;
}

export const newTransportStats = (): TransportStats => ({
  ssl: new TlsStats(),
  factory: new TlsFactoryStats(),
  release: () => {},
});
