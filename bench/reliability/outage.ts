/** An answer to a request. */
export interface Answer {
  /** When it was asked, milliseconds since 1970. */
  readonly at: number;
  readonly ms: number;
  /** Status, or why there was none. */
  readonly result: string;
}

/** What callers saw of an event. Times are in seconds after it. */
export interface Outage {
  readonly asked: number;
  readonly failed: number;
  /** How often each failure was seen. */
  readonly failures: Readonly<Record<string, number>>;
  /** From the first request that failed to the first of those that went well again; undefined if none failed. */
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** What the answers say of the time after `event`. */
export function outageOf(answers: readonly Answer[], event: number): Outage {
  const after = answers.filter(({ at }) => at >= event).sort((a, b) => a.at - b.at);
  const bad = after.filter(({ result }) => result !== '200');
  const failures: Record<string, number> = {};
  for (const { result } of bad) failures[result] = (failures[result] ?? 0) + 1;
  const last = bad.at(-1)?.at ?? Number.POSITIVE_INFINITY;
  const seconds = (at: number | undefined) => (at === undefined ? undefined : (at - event) / 1000);
  return {
    asked: after.length,
    failed: bad.length,
    failures,
    from: seconds(bad[0]?.at),
    to: seconds(after.find(({ at }) => at > last)?.at),
  };
}

/** One line for people. */
export function describe({ asked, failed, failures, from, to }: Outage): string {
  if (failed === 0) return `${asked} requests, none failed`;
  const how = Object.entries(failures).map(([result, count]) => `${count} ${result}`);
  const until = to === undefined ? 'and did not recover' : `to ${to.toFixed(1)} s`;
  return `${failed} of ${asked} requests failed (${how.join(', ')}), from ${from!.toFixed(1)} s ${until} after it`;
}
