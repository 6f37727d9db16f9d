import { Headers } from '../../../wire/headers.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import { DataStatus, type FilterCallbacks, HeadersStatus, type HttpFilter, TrailersStatus } from '../../http/filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import type { MetadataTest } from '../../router/metadata-match.ts';
import type { StringTest } from '../../router/string-match.ts';
import type { StatsByCluster, VerdictStats } from '../common/stats-by-cluster.ts';
import type { Allowed, Authorizer, Denied, Verdict } from './authorizer.ts';
import { applyChanges, changeQuery, type HeaderChange, isValidChange, removeHeaders } from './changes.ts';
import type { ExtAuthzStats } from './stats.ts';

/** How much of the body authorizers get. */
export interface BodySettings {
  readonly maxBytes: number;
  /** A longer body is cut rather than refused. */
  readonly allowPartial: boolean;
  /** As bytes rather than as text, where the protocol has both. */
  readonly packAsBytes: boolean;
}

/** What the filter's configuration decides. */
export interface ExtAuthzConfig {
  readonly stats: ExtAuthzStats;
  readonly byCluster: StatsByCluster;
  readonly authorizer: Authorizer;
  /** Whether a header is told to the authorizer. */
  readonly tells: StringTest;
  readonly body: BodySettings | undefined;
  readonly failureModeAllow: boolean;
  readonly failureModeAllowHeader: boolean;
  readonly statusOnError: number;
  readonly clearRouteCache: boolean;
  /** Share of the requests that are checked, and which of them. */
  readonly enabled: number;
  readonly enabledFor: MetadataTest | undefined;
  readonly denyAtDisable: boolean;
  readonly chargeClusterStats: boolean;
  readonly ingestsMetadata: boolean;
}

/** `ExtAuthzPerRoute`. */
export interface ExtAuthzRouteConfig {
  readonly disabled: boolean;
  readonly extensions: Readonly<Record<string, string>>;
  readonly withoutBody: boolean;
  readonly body: BodySettings | undefined;
}

const NAMESPACE = 'envoy.filters.http.ext_authz';

/** Asks an authorizer whether a request may pass, and holds it until the answer is there. */
export class ExtAuthzFilter implements HttpFilter {
  readonly #config: ExtAuthzConfig;
  readonly #callbacks: FilterCallbacks;
  #body: BodySettings | undefined = undefined;
  #phase: 'collecting' | 'asking' | 'over' = 'over';
  #call: Cancelable | undefined = undefined;
  /** The verdict came before the call for it returned. */
  #withinCall = false;
  #passes = false;
  #asked = 0;
  #responseChanges: readonly HeaderChange[] = [];

  constructor(config: ExtAuthzConfig, callbacks: FilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers, end: boolean): HeadersStatus {
    const { route, info } = this.#callbacks;
    const own = this.#callbacks.routeConfig<ExtAuthzRouteConfig>();
    // As in Envoy, a request without a route goes on to be answered as such.
    if (route === undefined || own?.disabled) return HeadersStatus.Continue;
    const { enabledFor, enabled, denyAtDisable, stats } = this.#config;
    const share = enabled >= 1 || (enabled > 0 && this.#callbacks.random() < enabled);
    if (!share || enabledFor?.(info.dynamicMetadata) === false) {
      stats.disabled++;
      if (!denyAtDisable) return HeadersStatus.Continue;
      this.#refuse(this.#config.statusOnError, '', 'ext_authz_error', []);
      return HeadersStatus.StopAll;
    }
    const body = own?.withoutBody ? undefined : (own?.body ?? this.#config.body);
    if (body !== undefined && !end && headers.get('upgrade') === undefined && headers.protocol === '') {
      this.#body = body;
      this.#phase = 'collecting';
      if (!body.allowPartial) this.#callbacks.setBufferLimit(body.maxBytes);
      return HeadersStatus.StopIteration;
    }
    return this.#ask() ? HeadersStatus.Continue : HeadersStatus.StopAll;
  }

  requestData(chunk: Uint8Array, end: boolean): DataStatus {
    if (this.#phase === 'over') return DataStatus.Continue;
    if (this.#phase === 'asking') return DataStatus.StopAndWatermark;
    const { maxBytes, allowPartial } = this.#body!;
    const kept = this.#callbacks.requestBuffer();
    const length = kept.reduce((sum, one) => sum + one.length, chunk.length);
    // Too much for an authorizer that wants it whole: the buffer's limit answers that.
    if (!allowPartial && length > maxBytes) return DataStatus.StopAndBuffer;
    if (!end && !(allowPartial && length >= maxBytes)) return DataStatus.StopAndBuffer;
    return this.#ask([...kept, chunk]) ? DataStatus.Continue : DataStatus.StopAndWatermark;
  }

  requestTrailers(): TrailersStatus {
    if (this.#phase === 'over') return TrailersStatus.Continue;
    if (this.#phase === 'asking') return TrailersStatus.Stop;
    return this.#ask(this.#callbacks.requestBuffer()) ? TrailersStatus.Continue : TrailersStatus.Stop;
  }

  /** Says whether the request may go on at once. */
  #ask(chunks?: readonly Uint8Array[]): boolean {
    const callbacks = this.#callbacks;
    const { authorizer, tells } = this.#config;
    const extensions = Object.assign({}, ...callbacks.routeConfigs<ExtAuthzRouteConfig>().map((c) => c.extensions));
    const whole = chunks && Buffer.concat(chunks);
    const body = whole && this.#body && whole.subarray(0, this.#body.maxBytes);
    const subject = {
      callbacks,
      headers: told(callbacks.requestHeaders, tells),
      body,
      packAsBytes: this.#body?.packAsBytes ?? false,
      partial: body !== undefined && body.length < whole!.length,
      extensions,
    };
    this.#phase = 'asking';
    this.#asked = callbacks.timers.now();
    this.#withinCall = true;
    const call = authorizer.check(subject, (verdict) => this.#answered(verdict));
    this.#withinCall = false;
    if (this.#phase === 'asking') this.#call = call;
    return this.#passes;
  }

  #answered(verdict: Verdict): void {
    this.#phase = 'over';
    this.#call = undefined;
    const cluster = this.#clusterStats();
    const { stats } = this.#config;
    if (verdict.kind !== 'failed') this.#noteMetadata(verdict);
    if (verdict.kind === 'denied') {
      this.#deny(verdict, cluster);
      return;
    }
    if (verdict.kind === 'failed') {
      stats.error++;
      cluster?.count('error');
      if (!this.#config.failureModeAllow) {
        this.#refuse(this.#config.statusOnError, '', 'ext_authz_error', []);
        return;
      }
      stats.failure_mode_allowed++;
      cluster?.count('failure_mode_allowed');
      if (this.#config.failureModeAllowHeader) {
        this.#callbacks.requestHeaders.set('x-envoy-auth-failure-mode-allowed', 'true');
      }
    } else {
      if (!verdict.requestChanges.every(isValidChange) || !verdict.responseChanges.every(isValidChange)) {
        this.#invalid();
        return;
      }
      stats.ok++;
      cluster?.count('ok');
      this.#apply(verdict);
    }
    this.#passes = true;
    if (!this.#withinCall) this.#callbacks.continueRequest();
  }

  #clusterStats(): VerdictStats | undefined {
    const { chosenCluster, clusters } = this.#callbacks;
    const cluster = chosenCluster && clusters.get(chosenCluster.name);
    return cluster && this.#config.byCluster.of(cluster.statName);
  }

  #noteMetadata(verdict: Allowed | Denied): void {
    const { metadata } = verdict;
    if (metadata === undefined || Object.keys(metadata).length === 0) return;
    if (!this.#config.ingestsMetadata) {
      this.#config.stats.ignored_dynamic_metadata++;
      return;
    }
    const { info, timers } = this.#callbacks;
    const took = verdict.kind === 'allowed' ? { ext_authz_duration: Math.floor(timers.now() - this.#asked) } : {};
    info.setDynamicMetadata(NAMESPACE, { ...took, ...metadata });
  }

  #apply(verdict: Allowed): void {
    const headers = this.#callbacks.requestHeaders;
    const { requestChanges, requestRemovals, parametersToSet, parametersToRemove } = verdict;
    const parameters = parametersToSet.length + parametersToRemove.length > 0;
    applyChanges(requestChanges, headers);
    removeHeaders(requestRemovals, headers);
    if (parameters) headers.path = changeQuery(headers.path, parametersToSet, parametersToRemove);
    this.#responseChanges = verdict.responseChanges;
    if (this.#config.clearRouteCache && (parameters || requestChanges.length + requestRemovals.length > 0)) {
      this.#callbacks.clearRouteCache();
    }
  }

  #deny({ status, body, responseChanges }: Denied, cluster: VerdictStats | undefined): void {
    if (!responseChanges.every(isValidChange)) {
      this.#invalid();
      return;
    }
    this.#config.stats.denied++;
    if (cluster !== undefined) {
      cluster.count('denied');
      if (this.#config.chargeClusterStats) {
        this.#callbacks.clusters.get(this.#callbacks.chosenCluster!.name)?.stats.countResponse(status, true);
      }
    }
    this.#refuse(status, body, 'ext_authz_denied', responseChanges);
  }

  /** The authorizer asked for headers that cannot be: nothing of what it said is to be relied on. */
  #invalid(): void {
    this.#config.stats.invalid++;
    this.#refuse(500, '', 'ext_authz_invalid', []);
  }

  #refuse(status: number, body: string, details: string, changes: readonly HeaderChange[]): void {
    this.#callbacks.sendLocalReply({
      status,
      body,
      details,
      flags: ResponseFlag.UnauthorizedExternalService,
      edit(headers) {
        for (const { name } of changes) headers.remove(name);
        for (const { name, value } of changes) if (!name.startsWith(':')) headers.add(name, value);
      },
    });
  }

  responseHeaders(headers: Headers): HeadersStatus {
    applyChanges(this.#responseChanges, headers);
    return HeadersStatus.Continue;
  }

  destroy(): void {
    this.#phase = 'over';
    this.#call?.cancel();
  }
}

/** The headers that authorizers may see. */
function told(headers: Headers, tells: StringTest): Headers {
  const copy = new Headers();
  for (const [name, value] of headers) {
    if (!tells(name)) continue;
    if (name.startsWith(':')) copy.set(name, value);
    else copy.add(name, value);
  }
  return copy;
}
