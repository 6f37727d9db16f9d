/** How a proxy ended. */
export interface DataPlaneEnd {
  /** Exit code of the agent: 0 unless the proxy failed. */
  readonly exitCode: number;
  readonly reason: string;
}

/** A proxy as its agent sees it: our own in this process, or an Envoy beside it. */
export interface DataPlane {
  /** Starts it. Rejects with a UserError if it cannot be started at all. */
  start(): Promise<void>;
  /** Settles when it has ended by itself or was stopped. */
  readonly ended: Promise<DataPlaneEnd>;
  /** Why it is not ready to take traffic, in pilot-agent's words; undefined if it is. */
  readiness(): Promise<string | undefined>;
  /**
   * Asks connections to end: responses carry `Connection: close`, HTTP/2 connections get a GOAWAY. Listeners go on taking
   * connections until it is stopped.
   */
  drain(inboundOnly: boolean): Promise<void>;
  /** Downstream connections that are open, those to admin, status and metrics not counted; undefined if nobody knows. */
  activeConnections(): Promise<number | undefined>;
  /** Its metrics as the admin interface has them. `query` and `headers` are those of the scrape. */
  stats(query: string, headers: readonly (readonly [string, string])[], timeoutMs: number): Promise<Buffer>;
  /** Sends a request to its admin interface. */
  admin(method: string, path: string): Promise<{ readonly status: number; readonly body: string }>;
  /** Ends it at once, whatever it is doing. */
  stop(): Promise<void>;
}

/** What readiness asks of configuration (pilot-agent's words). */
export interface ConfigurationCounts {
  readonly cdsSuccess: number;
  readonly cdsRejected: number;
  readonly ldsSuccess: number;
  readonly ldsRejected: number;
}

/** What is missing before clusters and listeners have come, or undefined. */
export function configurationProblem(counts: ConfigurationCounts): string | undefined {
  const { cdsSuccess, cdsRejected, ldsSuccess, ldsRejected } = counts;
  if (cdsSuccess > 0 && ldsSuccess > 0) return undefined;
  const detail =
    `cds updates: ${cdsSuccess} successful, ${cdsRejected} rejected; ` +
    `lds updates: ${ldsSuccess} successful, ${ldsRejected} rejected`;
  if (cdsRejected > 0 || ldsRejected > 0) return `config received from XDS server, but was rejected: ${detail}`;
  const none = cdsSuccess === 0 && ldsSuccess === 0;
  return none
    ? `config not received from XDS server (is Istiod running?): ${detail}`
    : `config not fully received from XDS server: ${detail}`;
}

/** `warning,misc:error` is a level for all and levels of components. */
export function splitLogLevel(text: string): { readonly level: string; readonly components: string } {
  const parts = text.split(',').filter((part) => part !== '');
  const level = parts.findLast((part) => !part.includes(':')) ?? '';
  return { level, components: parts.filter((part) => part.includes(':')).join(',') };
}
