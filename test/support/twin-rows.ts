import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener } from './envoy-config.ts';
import { until } from './reference.ts';
import {
  type Observation,
  observe,
  type RequestSpec,
  type Twin,
  type TwinCase,
  type TwinEnv,
  type TwinOptions,
  twinProxies,
} from './twin-proxies.ts';
import { clusterStats, hostLines } from './twin-stats.ts';

/**
 * Tables of fields: each row is a listener and a cluster of their own under both proxies, made of the base and a patch.
 * The two have to answer the same, and another thing than without the patch: a field that changes nothing proves
 * nothing.
 */

/** Fields that are added to a part of the base; environment and the listener's name are there for ports and files. */
type Patch = JsonObject | ((env: TwinEnv, name: string) => JsonObject);

/** What a listener and its cluster are made of. */
export interface TwinParts {
  readonly listener?: Patch;
  readonly manager?: Patch;
  readonly routeConfig?: Patch;
  readonly virtualHost?: Patch;
  /** In place of the one route; their cluster is `own`. */
  readonly routes?: readonly JsonObject[];
  /** Fields of the one route, and of its action. */
  readonly route?: Patch;
  readonly action?: Patch;
  readonly filters?: readonly JsonObject[];
  readonly cluster?: Patch;
}

export interface TwinRow extends TwinParts {
  /** The field, or what is done to it. */
  readonly name: string;
  /** What the row is compared with has this as well: what a field needs to be of consequence. */
  readonly base?: TwinParts;
  /** What the access log tells besides code, details and flags. */
  readonly log?: string;
  /** `:<own>` in values is the listener's port. */
  readonly send: readonly (RequestSpec & Pick<TwinCase, 'answer' | 'lines'>)[];
  /** Statistics that are compared after the requests, with `own` for the listener's and the cluster's name. */
  readonly stats?: readonly string[];
  /** Fields of the cluster's hosts that are compared after the requests, by the admin interface's `/clusters`. */
  readonly hosts?: RegExp;
  /** Statistics of the cluster that come to be so before the first request, and after the last, but not without the field. */
  readonly before?: Readonly<Record<string, number>>;
  readonly after?: Readonly<Record<string, number>>;
  /** The parts of what is seen that count; all unless told. */
  readonly only?: readonly (keyof Observation)[];
  /** Which request gets which answer is chance; how many get the same is not. */
  readonly anyOrder?: boolean;
  /** Parts in which the two are known to differ, and why that is right. */
  readonly except?: TwinCase['except'];
}

interface Seen {
  readonly answers: readonly Partial<Observation>[];
  readonly stats: readonly string[];
}

const OWN = /\bown\b/g;

function own(value: JsonObject, name: string): JsonObject {
  return JSON.parse(JSON.stringify(value).replaceAll('"own"', JSON.stringify(name))) as JsonObject;
}

/** Runs every row as a subtest. `options` are further fields of what both are started with, as for {@link twinProxies}. */
export async function compareRows(
  t: TestContext,
  rows: readonly TwinRow[],
  options: Partial<Omit<TwinOptions, 'listeners' | 'bootstrap'>> & {
    /** Further clusters, and fields of the bootstrap. */
    readonly clusters?: (env: TwinEnv) => readonly JsonObject[];
    readonly bootstrap?: (env: TwinEnv) => JsonObject;
  } = {},
): Promise<void> {
  const names = rows.map((_, i) => `row${i}`);
  // What a row is compared with: its log and its filters, but not its patch.
  const bases = rows.map((_, i) => `base${i}`);
  const { clusters = () => [], bootstrap = () => ({}), ...rest } = options;
  const twins = await twinProxies(t, {
    ...rest,
    listeners: [...names, ...bases],
    bootstrap: (env) => ({
      static_resources: {
        listeners: rows.flatMap((row, i) => [
          listenerOf(row, names[i], env),
          listenerOf(
            { ...row.base, name: row.name, send: [], ...(row.log === undefined ? {} : { log: row.log }) },
            bases[i],
            env,
          ),
        ]),
        clusters: [
          ...rows.flatMap((row, i) => [
            own(cluster(names[i], env.backend('backend'), patches(row, 'cluster', env, names[i])), names[i]),
            own(cluster(bases[i], env.backend('backend'), patch(row.base?.cluster, env, bases[i])), bases[i]),
          ]),
          ...clusters(env),
        ],
      },
      ...bootstrap(env),
    }),
  });
  for (const [i, row] of rows.entries()) {
    await t.test(row.name, async () => {
      const [envoy, isthmus] = await Promise.all([see(twins.envoy, row, names[i]), see(twins.isthmus, row, names[i])]);
      assert.deepEqual(isthmus, envoy);
      const { before: _, after: __, ...base } = row;
      assert.notDeepEqual(await see(twins.envoy, base, bases[i]), envoy, 'Envoy answers the same without it');
    });
  }
}

function patch(given: Patch | undefined, env: TwinEnv, name: string): JsonObject {
  return typeof given === 'function' ? given(env, name) : (given ?? {});
}

function patches(row: TwinRow, part: Exclude<keyof TwinParts, 'routes' | 'filters'>, env: TwinEnv, name: string) {
  return { ...patch(row.base?.[part], env, name), ...patch(row[part], env, name) };
}

function listenerOf(row: TwinRow, name: string, env: TwinEnv): JsonObject {
  const route = {
    match: { prefix: '/' },
    route: { cluster: 'own', ...patches(row, 'action', env, name) },
    ...patches(row, 'route', env, name),
  };
  const listener = httpListener(name, {
    port: env.port(name),
    log: env.log(name),
    routes: row.routes ?? row.base?.routes ?? [route],
    filters: row.filters ?? row.base?.filters ?? [],
    manager: patches(row, 'manager', env, name),
    virtualHost: patches(row, 'virtualHost', env, name),
    routeConfig: patches(row, 'routeConfig', env, name),
    listener: patches(row, 'listener', env, name),
    ...(row.log === undefined ? {} : { logFormat: row.log }),
  });
  return own(listener, name);
}

async function see(twin: Twin, row: TwinRow, listener: string): Promise<Seen> {
  const rename = (text: string) => text.replaceAll(new RegExp(`\\b${listener}\\b`, 'g'), 'own');
  const answers: Partial<Observation>[] = [];
  await reached(twin, listener, row.before);
  for (const { answer, lines, headers = [], ...rest } of row.send) {
    const port = `:${twin.env.port(listener)}`;
    const send = { ...rest, headers: headers.map(([n, value]) => [n, value.replaceAll(':<own>', port)] as const) };
    // Lines of other logs in the same file come before the line of the one that counts.
    const one = {
      name: row.name,
      send,
      counted: /^\d+ /,
      ...(answer === undefined ? {} : { answer }),
      // Nobody waits for lines that do not count.
      ...(row.only?.includes('log') === false ? { lines: 0 } : lines === undefined ? {} : { lines }),
    };
    const seen = await observe(twin, one, listener);
    const kept = Object.entries(seen).filter(
      ([part]) =>
        !row.except?.parts.includes(part as keyof Observation) &&
        row.only?.includes(part as keyof Observation) !== false,
    );
    answers.push(JSON.parse(rename(JSON.stringify(Object.fromEntries(kept)))) as Partial<Observation>);
  }
  if (row.anyOrder) answers.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  await reached(twin, listener, row.after);
  const stats = row.hosts === undefined ? [] : (await hostLines(twin, listener, row.hosts)).map(rename);
  for (const name of row.stats ?? []) {
    const of = name.replaceAll('<own>', String(twin.env.port(listener))).replaceAll(OWN, listener);
    const text = await twin.admin(`/stats?filter=${encodeURIComponent(`^${of}`)}`);
    // Times differ.
    const counts = text.replaceAll(/: (P0\(|No recorded).*\n/g, ': <values>\n');
    stats.push(rename(counts).replaceAll(`_${twin.env.port(listener)}.`, '_<own>.'));
  }
  return { answers, stats };
}

async function reached(twin: Twin, cluster: string, stats: Readonly<Record<string, number>> = {}): Promise<void> {
  for (const [stat, value] of Object.entries(stats)) {
    await until(`${twin.program}: ${stat} of ${cluster} is ${value}`, async () => {
      return (await clusterStats(twin, cluster)).get(stat) === value;
    });
  }
}
