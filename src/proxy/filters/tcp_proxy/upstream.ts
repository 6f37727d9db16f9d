import type { UpstreamConnectionInfo } from '../../observe/stream-info.ts';

/** What a TCP proxy does with its upstream, be that a connection or a stream in which one is carried. */
export interface TcpUpstream {
  readonly closed: boolean;
  start(): void;
  write(chunk: Uint8Array): void;
  /** No more comes from the client. */
  end(): void;
  pauseReading(pause: boolean): void;
  reset(): void;
  /** Closes once what was written has left, or after so many ms. */
  closeAfterFlush(ms: number): void;
}

/** What a TCP proxy hears of it. */
export interface TcpUpstreamOwner {
  connected(upstream: TcpUpstream, info: UpstreamConnectionInfo): void;
  connectFailed(reason: string, details: string): void;
  upstreamData(bytes: Uint8Array, start: number, end: number): void;
  upstreamEnded(): void;
  upstreamBackpressure(high: boolean): void;
  upstreamClosed(reason: string): void;
}
