import { toBinary } from '@bufbuild/protobuf';
import { CheckRequestSchema } from '../../../api/gen/envoy/service/auth/v3/external_auth_pb.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import { type NetworkFilter, type NetworkFilterCallbacks, NetworkStatus } from '../../net/network-filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import { StatGroup } from '../../observe/stats.ts';
import type { MetadataTest } from '../../router/metadata-match.ts';
import type { GrpcService } from '../common/grpc-service.ts';
import type { Verdict } from '../ext_authz/authorizer.ts';
import { type ConnectionContents, connectionCheckRequest } from '../ext_authz/check-request.ts';
import { CHECK, verdictOf } from '../ext_authz/grpc-authorizer.ts';

const GAUGES: ReadonlySet<string> = new Set(['active']);

/** Statistics under `ext_authz.STAT_PREFIX.`. */
export class NetworkExtAuthzStats extends StatGroup {
  readonly gauges = GAUGES;
  active = 0;
  cx_closed = 0;
  denied = 0;
  disabled = 0;
  error = 0;
  failure_mode_allowed = 0;
  ok = 0;
  total = 0;
}

export interface NetworkExtAuthzConfig {
  readonly stats: NetworkExtAuthzStats;
  readonly service: GrpcService;
  readonly contents: ConnectionContents;
  readonly failureModeAllow: boolean;
  /** Asks, counts, and lets everybody pass. */
  readonly shadowMode: boolean;
  readonly enabledFor: MetadataTest | undefined;
}

const NAMESPACE = 'envoy.filters.network.ext_authz';

/**
 * Asks an authorizer whether a connection may pass. As Envoy's it asks with the first that the client sends, or when it
 * ends: a server behind that speaks first is heard before.
 */
export class NetworkExtAuthzFilter implements NetworkFilter {
  readonly #config: NetworkExtAuthzConfig;
  readonly #callbacks: NetworkFilterCallbacks;
  #phase: 'idle' | 'asking' | 'over' = 'idle';
  #call: Cancelable | undefined = undefined;
  #withinCall = false;
  #asked = 0;
  #passes = false;
  /** Undefined when the question is answered. */
  onData: (() => NetworkStatus) | undefined;

  constructor(config: NetworkExtAuthzConfig, callbacks: NetworkFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
    this.onData = () => this.#ask();
  }

  #ask(): NetworkStatus {
    const { stats, service, contents, enabledFor } = this.#config;
    const { connection, info, worker } = this.#callbacks;
    if (enabledFor?.(info.dynamicMetadata) === false) {
      stats.disabled++;
      return NetworkStatus.Continue;
    }
    stats.total++;
    stats.active++;
    this.#phase = 'asking';
    this.#asked = worker.timers.now();
    this.#withinCall = true;
    const message = toBinary(CheckRequestSchema, connectionCheckRequest(connection, info, contents));
    const call = service.unary(CHECK, message, info, (result) => {
      this.#answered(result instanceof Uint8Array ? verdictOf(result) : { kind: 'failed' });
    });
    this.#withinCall = false;
    if (this.#phase === 'asking') this.#call = call;
    return this.#passes ? NetworkStatus.Continue : NetworkStatus.Stop;
  }

  #answered(verdict: Verdict): void {
    const { stats, failureModeAllow, shadowMode } = this.#config;
    const { connection, info, worker } = this.#callbacks;
    this.#phase = 'over';
    this.#call = undefined;
    this.onData = undefined;
    stats.active--;
    if (verdict.kind === 'allowed') stats.ok++;
    else if (verdict.kind === 'denied') stats.denied++;
    else stats.error++;
    if (verdict.kind !== 'failed' && verdict.metadata !== undefined && Object.keys(verdict.metadata).length > 0) {
      // As in Envoy, only answers that allow, and that come with metadata, tell how many milliseconds they took.
      const took =
        verdict.kind === 'allowed' ? { ext_authz_duration: Math.floor(worker.timers.now() - this.#asked) } : {};
      info.setDynamicMetadata(NAMESPACE, { ...verdict.metadata, ...took });
    }
    if (!shadowMode && (verdict.kind === 'denied' || (verdict.kind === 'failed' && !failureModeAllow))) {
      stats.cx_closed++;
      info.flags |= ResponseFlag.UnauthorizedExternalService;
      info.responseCodeDetails = verdict.kind === 'denied' ? 'ext_authz_denied' : 'ext_authz_error';
      connection.close('ext_authz_close');
      return;
    }
    if (verdict.kind === 'failed' && !shadowMode) stats.failure_mode_allowed++;
    this.#passes = true;
    if (!this.#withinCall) this.#callbacks.continueReading();
  }

  onClose(): void {
    if (this.#phase === 'asking') this.#config.stats.active--;
    this.#phase = 'over';
    this.#call?.cancel();
  }
}
