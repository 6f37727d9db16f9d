/** Milliseconds of the units of `grpc-timeout` (gRPC over HTTP/2, "Timeout"). */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
const MAX_VALUE = 99_999_999;

/** `grpc-timeout` in milliseconds, or undefined if it is malformed. */
export function parseTimeout(value: string): number | undefined {
  const parts = /^(\d{1,8})([HMSmun])$/.exec(value);
  return parts === null ? undefined : Number(parts[1]) * UNITS[parts[2]];
}

/** Milliseconds as `grpc-timeout`, as Envoy writes it: in them, or in the next unit in which eight digits are enough. */
export function formatTimeout(milliseconds: number): string {
  const whole = Math.ceil(Math.max(milliseconds, 0));
  for (const unit of ['m', 'S', 'M']) {
    const value = Math.floor(whole / UNITS[unit]);
    if (value <= MAX_VALUE) return `${value}${unit}`;
  }
  return `${Math.min(Math.floor(whole / UNITS.H), MAX_VALUE)}H`;
}
