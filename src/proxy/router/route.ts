import type { Headers } from '../../wire/headers.ts';
import type { Metadata } from '../cluster/host.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { RouteTracing } from '../observe/tracing/config.ts';
import type { RequestHash } from './hash-policy.ts';
import type { HeaderEdits } from './header-edits.ts';
import type { InternalRedirectPolicy } from './internal-redirect.ts';
import type { RateLimitRule } from './rate-limits.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { PathRewrite, Substitution } from './rewrite.ts';
import type { RequestStats } from './stats.ts';

/** A route that was matched: what is to be done with a request. Everything was decided when the configuration came. */
export interface Route {
  readonly name: string;
  readonly virtualHost: VirtualHostInfo;
  readonly action: RouteAction | RedirectAction | DirectResponseAction | NonForwardingAction;
  readonly metadata: Metadata | undefined;
  /** `decorator.operation`, or empty; `propagate` says whether peers are told. */
  readonly decoratorOperation: string;
  readonly decoratorPropagate: boolean;
  /** What the route says of traces, if anything. */
  readonly tracing: RouteTracing | undefined;
  /** In the order in which they apply. */
  readonly requestEdits: readonly HeaderEdits[];
  readonly responseEdits: readonly HeaderEdits[];
  /** Per-route configurations of filters by filter name, least specific first. */
  filterConfigs(name: string): readonly unknown[];
  /** Filters that are switched off (true) or on (false) for this route. */
  readonly filterDisabled: ReadonlyMap<string, boolean> | undefined;
  /** `per_request_buffer_limit_bytes`, or undefined. */
  readonly bufferLimit: number | undefined;
  /** Statistics of the requests of this route, if it has a `stat_prefix`. */
  readonly stats: RequestStats | undefined;
}

export interface VirtualHostInfo {
  readonly name: string;
  readonly includeRequestAttemptCount: boolean;
  /** Retries tell whether the attempt before took too long. */
  readonly includeIsTimeoutRetry: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly rateLimits: readonly RateLimitRule[];
  /** Statistics of the virtual cluster that a request belongs to; undefined if the host has none. */
  readonly virtualCluster: ((headers: Headers) => VirtualCluster) | undefined;
}

/** `name` is empty for what belongs to none by name. */
export interface VirtualCluster {
  readonly name: string;
  readonly stats: RequestStats;
}

export interface RouteAction {
  readonly kind: 'route';
  readonly cluster: ClusterChoice;
  /** Status of the answer when the cluster does not exist. */
  readonly clusterNotFoundStatus: number;
  readonly pathRewrite: PathRewrite | undefined;
  readonly hostRewrite: HostRewrite | undefined;
  readonly appendForwardedHost: boolean;
  /** Whole response within this many ms; 0 for no limit. */
  readonly timeoutMs: number;
  /** Undefined: the listener's stream idle timeout holds; 0: none. */
  readonly idleTimeoutMs: number | undefined;
  /** `max_grpc_timeout` (or grpc_timeout_header_max): undefined if not set, 0 for what the client says without limit. */
  readonly maxGrpcTimeoutMs: number | undefined;
  readonly grpcTimeoutOffsetMs: number;
  readonly maxStreamDurationMs: number | undefined;
  /** `grpc_timeout_header_max`: what a call says in `grpc-timeout` limits its stream, up to this; 0 for any. */
  readonly grpcHeaderMaxMs: number | undefined;
  readonly grpcHeaderOffsetMs: number;
  readonly retry: RetryPolicy;
  readonly priority: 'default' | 'high';
  readonly hash: RequestHash | undefined;
  readonly metadataMatch: Metadata | undefined;
  readonly mirrors: readonly MirrorPolicy[];
  /** Upgrade type in lower case -> enabled here, over what the listener says. */
  readonly upgrades: ReadonlyMap<string, UpgradeRule>;
  readonly internalRedirect: InternalRedirectPolicy | undefined;
  readonly rateLimits: readonly RateLimitRule[];
  readonly includeVirtualHostRateLimits: boolean;
  readonly hedgeOnPerTryTimeout: boolean;
}

/** Where a request goes; `random` is uniform in [0, 1). */
export type ClusterChoice = (headers: Headers, random: () => number) => ChosenCluster | undefined;

export interface ChosenCluster {
  readonly name: string;
  readonly requestEdits: HeaderEdits | undefined;
  readonly responseEdits: HeaderEdits | undefined;
  readonly hostRewrite: string | undefined;
  readonly metadataMatch: Metadata | undefined;
  filterConfig(name: string): unknown;
}

export type HostRewrite =
  | { readonly kind: 'literal'; readonly host: string }
  /** The name of the upstream host, once it is chosen. */
  | { readonly kind: 'auto' }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'format'; readonly render: (info: StreamInfo) => string }
  | { readonly kind: 'path-regex'; readonly substitution: Substitution };

export interface MirrorPolicy {
  readonly cluster: string;
  readonly clusterHeader: string;
  /** Share of requests that are mirrored, 0 to 1. */
  readonly share: number;
  readonly traceSampled: boolean | undefined;
  readonly disableShadowSuffix: boolean;
  /** Host of the copies; empty for the request's own. */
  readonly host: string;
  readonly edits: readonly HeaderEdits[];
}

export interface UpgradeRule {
  readonly enabled: boolean;
  /** `connect_config`: CONNECT ends here, and its payload goes to the upstream as plain TCP. */
  readonly terminateConnect: boolean;
}

export interface RedirectAction {
  readonly kind: 'redirect';
  readonly status: number;
  /** The Location for a request. */
  location(headers: Headers, secure: boolean, info: StreamInfo): string;
}

export interface DirectResponseAction {
  readonly kind: 'direct';
  readonly status: number;
  readonly body: string;
}

/** For filters only: the router has nothing to do with such a request, and answers that there is no cluster. */
export interface NonForwardingAction {
  readonly kind: 'non-forwarding';
}
