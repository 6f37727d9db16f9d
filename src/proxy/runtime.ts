import path from 'node:path';
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { LayeredRuntime } from '../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import { messageOf } from '../base/errors.ts';
import type { ConfigErrors } from './config/errors.ts';
import { readDiskLayer } from './disk-layer.ts';
import { StatGroup } from './observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set([
  'admin_overrides_active',
  'deprecated_feature_seen_since_process_start',
  'num_keys',
  'num_layers',
]);

/** Statistics of the runtime (Envoy's `runtime.`). */
class RuntimeStats extends StatGroup {
  readonly gauges = GAUGES;
  admin_overrides_active = 0;
  deprecated_feature_seen_since_process_start = 0;
  deprecated_feature_use = 0;
  load_error = 0;
  load_success = 0;
  num_keys = 0;
  num_layers = 0;
  override_dir_exists = 0;
  override_dir_not_exists = 0;
}

type Values = Map<string, RuntimeValue>;

interface Layer {
  readonly name: string;
  readonly admin: boolean;
  /** Folder of a layer that is read again whenever the runtime is loaded. */
  readonly folder: string | undefined;
  /** Undefined while there is no such layer: its folder is missing, or wrong. */
  values: Values | undefined;
}

/** A value, and the text that it was given as. */
export interface RuntimeValue {
  readonly text: string;
  readonly value: JsonValue;
}

/** A key with its value in each layer; undefined where a layer does not have it. */
export interface RuntimeEntry {
  readonly key: string;
  readonly values: readonly (RuntimeValue | undefined)[];
  /** The value of the last layer that has one. */
  readonly final: RuntimeValue;
}

/** What an admin may keep in the layer of `/runtime_modify`. */
const MAX_OVERRIDES = 10_000;

/** `layered_runtime`: values that switch behaviour, in layers of which later ones win. */
export class Runtime {
  /** What is wrong with the folders of layers, at the last load. */
  problems: readonly string[] = [];
  readonly stats = new RuntimeStats();
  readonly #layers: readonly Layer[];
  #final = new Map<string, RuntimeValue>();

  /** `cluster` is the node's, which a folder may end with. */
  constructor(config: LayeredRuntime | undefined, cluster: string, errors: ConfigErrors) {
    this.#layers = (config?.layers ?? []).map(({ name, layerSpecifier: spec }, i, all) => {
      const at = errors.at('layers').at(i);
      if (all.findIndex((other) => other.name === name) < i) at.add('name', `${name} stands there twice`);
      const isSecond = all.findIndex(({ layerSpecifier }) => layerSpecifier.case === 'adminLayer') < i;
      if (spec.case === 'adminLayer' && isSecond) at.add('admin_layer', 'there may be one only');
      const { symlinkRoot, subdirectory, appendServiceCluster } = spec.case === 'diskLayer' ? spec.value : NO_DISK;
      return {
        name,
        admin: spec.case === 'adminLayer',
        folder:
          spec.case === 'diskLayer'
            ? path.join(symlinkRoot, subdirectory, appendServiceCluster ? cluster : '')
            : undefined,
        values: spec.case === 'staticLayer' ? structValues(spec.value) : new Map(),
      };
    });
    this.load();
  }

  /** Names of the layers that there are. */
  get layers(): readonly string[] {
    return this.#present.map(({ name }) => name);
  }

  get #present(): readonly (Layer & { readonly values: Values })[] {
    return this.#layers.filter((layer): layer is Layer & { values: Values } => layer.values !== undefined);
  }

  /** The value of a key, or undefined if no layer has it. */
  get(key: string): JsonValue | undefined {
    return this.#final.get(key)?.value;
  }

  /** A number that runtime may replace (`RuntimeUInt32`, `RuntimeDouble`). */
  number(key: string, otherwise: number): number {
    if (key === '') return otherwise;
    // Numbers may be written as text, as istiod's bootstrap does.
    const given = this.get(key);
    const value = typeof given === 'string' ? parse(given) : given;
    return typeof value === 'number' && value >= 0 ? value : otherwise;
  }

  entries(): RuntimeEntry[] {
    return [...this.#final].map(([key, final]) => ({
      key,
      final,
      values: this.#present.map(({ values }) => values.get(key)),
    }));
  }

  /** Sets keys in the admin layer; an empty text takes the key out again. False if there is no such layer or no room. */
  modify(changes: ReadonlyMap<string, string>): boolean {
    const layer = this.#layers.find(({ admin }) => admin);
    if (layer?.values === undefined) return false;
    const values = new Map(layer.values);
    for (const [key, text] of changes) {
      if (text === '') values.delete(key);
      else values.set(key, { text, value: parse(text) });
    }
    if (values.size > MAX_OVERRIDES) return false;
    layer.values = values;
    this.stats.admin_overrides_active = values.size > 0 ? 1 : 0;
    this.load();
    return true;
  }

  /** Replaces the values of a layer that is discovered (RTDS), by its place. */
  setLayer(index: number, struct: JsonObject): void {
    this.#layers[index].values = structValues(struct);
    this.load();
  }

  /** Reads the layers that lie in folders, and puts all of them together. One that cannot be read is left out. */
  load(): void {
    const problems: string[] = [];
    let folders = 0;
    for (const layer of this.#layers) {
      if (layer.folder === undefined) continue;
      try {
        layer.values = textValues(readDiskLayer(layer.folder));
        if (layer.values !== undefined) folders++;
      } catch (error) {
        layer.values = undefined;
        problems.push(`layer ${layer.name}: ${messageOf(error)}`);
      }
    }
    const final = new Map<string, RuntimeValue>();
    const present = this.#present;
    for (const { values } of present) for (const [key, value] of values) final.set(key, value);
    this.#final = final;
    this.problems = problems;
    if (problems.length === 0) this.stats.load_success++;
    else this.stats.load_error++;
    // Envoy's names speak of the second folder, which once overrode the first.
    if (folders > 1) this.stats.override_dir_exists++;
    else this.stats.override_dir_not_exists++;
    this.stats.num_keys = final.size;
    this.stats.num_layers = present.length;
  }
}

const NO_DISK = { symlinkRoot: '', subdirectory: '', appendServiceCluster: false };

function textValues(texts: ReadonlyMap<string, string> | undefined): Values | undefined {
  return texts && new Map([...texts].map(([key, text]) => [key, { text, value: parse(text) }]));
}

function structValues(struct: JsonObject): Values {
  const values: Values = new Map();
  flatten('', struct, values);
  return values;
}

/** Structs nest keys by dots, but for those that are a fraction. */
function flatten(prefix: string, struct: JsonObject, into: Map<string, RuntimeValue>): void {
  for (const [name, value] of Object.entries(struct)) {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    if (isPlain(value) && !('numerator' in value || 'denominator' in value)) flatten(key, value, into);
    else into.set(key, { text: typeof value === 'string' ? value : JSON.stringify(value), value });
  }
}

function isPlain(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Numbers and booleans are what they look like; all else is text. */
function parse(text: string): JsonValue {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : text;
}
