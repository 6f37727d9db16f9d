import type { StreamInfo } from '../stream-info.ts';

/** One configured access logger: its filter, its format and its sink. Called once per stream, when it is over. */
export interface AccessLog {
  log(info: StreamInfo): void;
}
