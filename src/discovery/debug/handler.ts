import type { Logging } from '../../base/log.ts';
import type { WorkloadIdentity } from '../../base/spiffe.ts';
import type { Convergence } from '../proxies/convergence.ts';
import type { ProxyRegistry } from '../proxies/proxy-registry.ts';
import type { MeshSource } from '../snapshot/mesh-source.ts';

/** What debug endpoints look at. */
export interface DebugContext {
  readonly source: MeshSource;
  readonly proxies: ProxyRegistry;
  readonly convergence: Convergence;
  readonly logging: Logging;
  readonly clusterId: string;
  /** MeshConfig as it was written. */
  readonly meshConfig: () => Readonly<Record<string, unknown>>;
}

export interface DebugRequest {
  readonly query: URLSearchParams;
  /** Who asks, if that is known. */
  readonly identity: WorkloadIdentity | undefined;
}

export interface DebugAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export interface DebugEndpoint {
  /** After `/debug/`. */
  readonly name: string;
  readonly help: string;
  /** Workloads may ask about proxies of their own namespace. */
  readonly ownNamespace?: boolean;
  readonly answer: (request: DebugRequest, context: DebugContext) => DebugAnswer | Promise<DebugAnswer>;
}

export function json(value: unknown, pretty = false): DebugAnswer {
  const body = pretty ? JSON.stringify(value, undefined, 2) : JSON.stringify(value);
  return { status: 200, contentType: 'application/json', body };
}

export function text(status: number, body: string): DebugAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body };
}

/** RFC 3339, as Go prints a time. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}
