import type { StreamInfo } from '../stream-info.ts';

/** One configured access logger: its filter, its format and its sink. Called when a stream is over, and on the other occasions of
 * `info.logType` where the configuration asks for them. */
export interface AccessLog {
  log(info: StreamInfo): void;
}
