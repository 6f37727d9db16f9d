import type { Duration } from '@bufbuild/protobuf/wkt';

/** Milliseconds of a Duration, or the default if it was not set. */
export function durationMs(duration: Duration | undefined, otherwise: number): number {
  return duration === undefined ? otherwise : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

/** 4, 6, or undefined for what is no IP address. */
export function ipFamily(text: string): 4 | 6 | undefined {
  if (IPV4.test(text)) return 4;
  return /^[0-9a-fA-F:]*:[0-9a-fA-F:.]*(%\w+)?$/.test(text) && text.includes(':') ? 6 : undefined;
}
