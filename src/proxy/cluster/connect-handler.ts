import type { Connection } from '../net/connection.ts';

/** Waits for a connection to an upstream. */
export interface ConnectHandler {
  onConnected(connection: Connection): void;
  /** `details` in the words of Envoy's transport failure reason; empty for a plain refusal or timeout of TCP. */
  onFailed(details: string, timeout: boolean): void;
}
