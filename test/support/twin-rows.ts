import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener } from './envoy-config.ts';
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

/**
 * Tables of fields: each row is a listener and a cluster of their own under both proxies, made of the base and a patch.
 * The two have to answer the same, and another thing than without the patch: a field that changes nothing proves
 * nothing.
 */

/** Fields that are added to a part of the base; environment and the listener's name are there for ports and files. */
type Patch = JsonObject | ((env: TwinEnv, name: string) => JsonObject);

export interface TwinRow {
  /** The field, or what is done to it. */
  readonly name: string;
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
  /** What the access log tells besides code, details and flags. */
  readonly log?: string;
  /** `:<own>` in values is the listener's port. */
  readonly send: readonly (RequestSpec & Pick<TwinCase, 'answer' | 'lines'>)[];
  /** Statistics that are compared after the requests, with `own` for the listener's and the cluster's name. */
  readonly stats?: readonly string[];
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
          listenerOf({ name: row.name, send: [], ...(row.log === undefined ? {} : { log: row.log }) }, bases[i], env),
        ]),
        clusters: [
          ...rows.map((row, i) =>
            own(cluster(names[i], env.backend('backend'), patch(row.cluster, env, names[i])), names[i]),
          ),
          ...bases.map((name) => cluster(name, env.backend('backend'))),
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
      assert.notDeepEqual(await see(twins.envoy, row, bases[i]), envoy, 'Envoy answers the same without it');
    });
  }
}

function patch(given: Patch | undefined, env: TwinEnv, name: string): JsonObject {
  return typeof given === 'function' ? given(env, name) : (given ?? {});
}

function listenerOf(row: TwinRow, name: string, env: TwinEnv): JsonObject {
  const route = {
    match: { prefix: '/' },
    route: { cluster: 'own', ...patch(row.action, env, name) },
    ...patch(row.route, env, name),
  };
  const listener = httpListener(name, {
    port: env.port(name),
    log: env.log(name),
    routes: row.routes ?? [route],
    filters: row.filters ?? [],
    manager: patch(row.manager, env, name),
    virtualHost: patch(row.virtualHost, env, name),
    routeConfig: patch(row.routeConfig, env, name),
    listener: patch(row.listener, env, name),
    ...(row.log === undefined ? {} : { logFormat: row.log }),
  });
  return own(listener, name);
}

async function see(twin: Twin, row: TwinRow, listener: string): Promise<Seen> {
  const rename = (text: string) => text.replaceAll(new RegExp(`\\b${listener}\\b`, 'g'), 'own');
  const answers: Partial<Observation>[] = [];
  for (const { answer, lines, headers = [], ...rest } of row.send) {
    const port = `:${twin.env.port(listener)}`;
    const send = { ...rest, headers: headers.map(([n, value]) => [n, value.replaceAll(':<own>', port)] as const) };
    // Lines of other logs in the same file come before the line of the one that counts.
    const one = {
      name: row.name,
      send,
      counted: /^\d+ /,
      ...(answer === undefined ? {} : { answer }),
      ...(lines === undefined ? {} : { lines }),
    };
    const seen = await observe(twin, one, listener);
    const kept = Object.entries(seen).filter(([part]) => !row.except?.parts.includes(part as keyof Observation));
    answers.push(JSON.parse(rename(JSON.stringify(Object.fromEntries(kept)))) as Partial<Observation>);
  }
  const stats: string[] = [];
  for (const name of row.stats ?? []) {
    const of = name.replaceAll('<own>', String(twin.env.port(listener))).replaceAll(OWN, listener);
    const text = await twin.admin(`/stats?filter=${encodeURIComponent(`^${of}`)}`);
    // Times differ.
    const counts = text.replaceAll(/^.*: (P0\(|No recorded).*\n/gm, '');
    stats.push(rename(counts).replaceAll(`_${twin.env.port(listener)}.`, '_<own>.'));
  }
  return { answers, stats };
}
