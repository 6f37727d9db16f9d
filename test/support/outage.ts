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
  /** From the first bad answer to the first good one after the last of them; undefined where there is none. */
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** What the answers say of the time after `event`. */
export function outageOf(answers: readonly Answer[], event: number): Outage {
  const end = ({ at, ms }: Answer) => at + ms;
  const after = answers.filter((answer) => answer.at >= event).sort((a, b) => end(a) - end(b));
  const bad = after.filter(({ result }) => result !== '200');
  const failures: Record<string, number> = {};
  for (const { result } of bad) failures[result] = (failures[result] ?? 0) + 1;
  const last = bad.length === 0 ? Number.POSITIVE_INFINITY : end(bad.at(-1)!);
  const seconds = (answer: Answer | undefined) => answer && (end(answer) - event) / 1000;
  return {
    asked: after.length,
    failed: bad.length,
    failures,
    from: seconds(bad[0]),
    to: seconds(after.find((answer) => end(answer) > last)),
  };
}

/** One line for people. */
export function describe({ asked, failed, failures, from, to }: Outage): string {
  if (failed === 0) return `${asked} requests, none failed`;
  const how = Object.entries(failures).map(([result, count]) => `${count} ${result}`);
  const until = to === undefined ? 'on' : `to ${to.toFixed(1)} s`;
  return `${failed} of ${asked} requests failed (${how.join(', ')}), from ${from!.toFixed(1)} s ${until} after the event`;
}
