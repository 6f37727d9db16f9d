import type { KindId } from '../config/kinds/index.ts';
import type { MeshConfig } from '../config/kinds/mesh-config/schema.ts';
import type { ConfigMessage } from '../config/message.ts';
import { type ConfigObject, type FieldPath, formatPath, objectKey } from '../config/object.ts';
import { readObject } from '../config/read.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import { sameItems } from '../registry/reuse.ts';
import { AdaptedSnapshot, type ObjectsByKind } from './adapted-snapshot.ts';
import type { Adapter, Warn } from './adapter.ts';
import { enrouteAdapter } from './enroute/adapter.ts';
import { ingressAdapter } from './ingress/adapter.ts';
import { legacyAuthenticationAdapter } from './legacy-authentication/adapter.ts';
import { rateLimitAdapter } from './rate-limit/adapter.ts';
import { routeAdapter } from './route/adapter.ts';

const ADAPTERS: readonly Adapter[] = [
  ingressAdapter,
  legacyAuthenticationAdapter,
  routeAdapter,
  enrouteAdapter,
  rateLimitAdapter,
];

interface Outcome {
  readonly inputs: readonly unknown[];
  readonly objects: ReadonlyMap<
    string,
    { readonly text: string; readonly object: ConfigObject; readonly kind: KindId }
  >;
  readonly warnings: readonly ConfigMessage[];
}

/** Lays over one snapshot after another what the adapters make of it. Objects that do not change stay the same ones. */
export class Adapters {
  readonly #outcomes = new Map<Adapter, Outcome>();

  /** The snapshot itself where there is nothing to adapt. */
  adapt(config: ConfigSnapshot, mesh: MeshConfig): ConfigSnapshot {
    const outcomes = ADAPTERS.map((adapter) => this.#outcome(adapter, config, mesh));
    const made = outcomes.flatMap(({ objects }) => [...objects.values()]);
    const warnings = outcomes.flatMap((outcome) => outcome.warnings);
    if (made.length === 0 && warnings.length === 0) return config;
    const byKind: ObjectsByKind = new Map(
      [...Map.groupBy(made, ({ kind }) => kind)].map(([kind, items]) => [kind, items.map(({ object }) => object)]),
    );
    return new AdaptedSnapshot(config, byKind, warnings);
  }

  #outcome(adapter: Adapter, config: ConfigSnapshot, mesh: MeshConfig): Outcome {
    const inputs = adapter.inputs(config, mesh);
    const before = this.#outcomes.get(adapter);
    if (before && sameItems(before.inputs, inputs)) return before;
    const warnings: ConfigMessage[] = [];
    const warn: Warn = (object, path, message) => warnings.push(warning(object, path, message));
    const objects = new Map<string, { text: string; object: ConfigObject; kind: KindId }>();
    for (const { raw, origin } of adapter.make(config, mesh, warn)) {
      const locate = (path: FieldPath) => {
        const { object, path: at } = origin(path);
        return object.locate(at);
      };
      const { key, object, definition, errors } = readObject(raw, locate);
      // What is wrong is said of the object that somebody wrote.
      for (const { message } of errors) warn(origin([]).object, origin([]).path, `has no effect: ${message}`);
      if (key === undefined || object === undefined || definition === undefined) continue;
      const text = JSON.stringify([raw, locate([])]);
      const same = before?.objects.get(key);
      objects.set(key, same?.text === text ? same : { text, object, kind: definition.id as KindId });
    }
    const outcome = { inputs, objects, warnings };
    this.#outcomes.set(adapter, outcome);
    return outcome;
  }
}

function warning(object: ConfigObject, path: FieldPath, message: string): ConfigMessage {
  const { kind, metadata } = object;
  const at = object.locate(path);
  const key = objectKey(kind, metadata.namespace, metadata.name);
  const field = formatPath(path);
  return { message, at, key, ...(field === '' ? {} : { field }) };
}
