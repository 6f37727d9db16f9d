import assert from 'node:assert/strict';
import { until } from './reference.ts';
import type { Twin, Twins } from './twin-proxies.ts';

/** Statistics and host lines of one cluster of two proxies, so that they can be compared. */

/** What no two runs have in common: times, and bytes of heads with dates in them. */
const CHANGING = /(_ms|_time|_per_cx|_bytes_total|_bytes_buffered|update_time)$|\.update_duration/;

export async function clusterStats(twin: Twin, cluster: string): Promise<Map<string, number>> {
  const text = await twin.admin(`/stats?filter=${encodeURIComponent(`^cluster\\.${cluster}\\.`)}`);
  const prefix = `cluster.${cluster}.`;
  return new Map(
    text
      .split('\n')
      .filter((line) => line.startsWith(prefix))
      .flatMap((line): [string, number][] => {
        const at = line.lastIndexOf(': ');
        const value = Number(line.slice(at + 2));
        const name = line.slice(prefix.length, at);
        return Number.isNaN(value) || CHANGING.test(name) ? [] : [[name, value]];
      }),
  );
}

/** Lines of a cluster's hosts in `/clusters`, with the names of ports. */
export async function hostLines(twin: Twin, cluster: string, fields?: RegExp): Promise<string[]> {
  const text = twin.named(await twin.admin('/clusters'));
  return (
    text
      .split('\n')
      .filter((line) => line.startsWith(`${cluster}::`))
      .map((line) => line.slice(cluster.length + 2))
      // IPv6 addresses have the separator in them.
      .filter((line) => {
        const [, field] = /^.+:(?:<\w+>|\d+)::(\w+)::/.exec(line) ?? [];
        return field !== undefined && (fields === undefined || fields.test(field));
      })
      .sort()
  );
}

/** Waits until a statistic of a cluster is so in both. */
export async function bothReach(twins: Twins, cluster: string, stat: string, value: number): Promise<void> {
  await Promise.all(
    [twins.envoy, twins.isthmus].map((twin) =>
      until(`${twin.program}: ${cluster}.${stat} is ${value}`, async () => {
        return (await clusterStats(twin, cluster)).get(stat) === value;
      }),
    ),
  );
}

/** The statistics of a cluster are called the same in both, and those that `except` does not match are equal. */
export async function sameStats(twins: Twins, cluster: string, except?: RegExp): Promise<Map<string, number>> {
  const [envoy, isthmus] = await Promise.all([twins.envoy, twins.isthmus].map((twin) => clusterStats(twin, cluster)));
  const shown = (stats: Map<string, number>) =>
    [...stats].map(([name, value]) => `${name}: ${except?.test(name) ? '*' : value}`).sort();
  assert.deepEqual(shown(isthmus), shown(envoy));
  return envoy;
}

/** The same for lines about hosts. */
export async function sameHosts(twins: Twins, cluster: string, fields?: RegExp): Promise<string[]> {
  const [envoy, isthmus] = await Promise.all(
    [twins.envoy, twins.isthmus].map((twin) => hostLines(twin, cluster, fields)),
  );
  assert.deepEqual(isthmus, envoy);
  return envoy;
}
