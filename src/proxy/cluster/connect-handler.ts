import type { Connection } from '../net/connection.ts';

/** Waits for a connection to an upstream. */
export interface ConnectHandler {
  onConnected(connection: Connection): void;
  /**
   * `details` in the words of Envoy's transport failure reason; empty for a plain refusal or timeout of TCP. `local` if
   * this machine does not have what the connection is to be made from.
   */
  onFailed(details: string, timeout: boolean, local?: boolean): void;
}
