import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { LayeredRuntime } from '../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
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

interface Layer {
  readonly name: string;
  readonly admin: boolean;
  values: Map<string, RuntimeValue>;
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
  readonly stats = new RuntimeStats();
  readonly #layers: readonly Layer[];
  #final = new Map<string, RuntimeValue>();

  constructor(config: LayeredRuntime | undefined) {
    this.#layers = (config?.layers ?? []).map(({ name, layerSpecifier }) => {
      const values = new Map<string, RuntimeValue>();
      if (layerSpecifier.case === 'staticLayer') flatten('', layerSpecifier.value, values);
      return { name, admin: layerSpecifier.case === 'adminLayer', values };
    });
    this.#load();
  }

  get layers(): readonly string[] {
    return this.#layers.map(({ name }) => name);
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
      values: this.#layers.map(({ values }) => values.get(key)),
    }));
  }

  /** Sets keys in the admin layer; an empty text takes the key out again. False if there is no such layer or no room. */
  modify(changes: ReadonlyMap<string, string>): boolean {
    const layer = this.#layers.find(({ admin }) => admin);
    if (layer === undefined) return false;
    const values = new Map(layer.values);
    for (const [key, text] of changes) {
      if (text === '') values.delete(key);
      else values.set(key, { text, value: parse(text) });
    }
    if (values.size > MAX_OVERRIDES) return false;
    layer.values = values;
    this.stats.admin_overrides_active = values.size > 0 ? 1 : 0;
    this.#load();
    return true;
  }

  #load(): void {
    const final = new Map<string, RuntimeValue>();
    for (const { values } of this.#layers) for (const [key, value] of values) final.set(key, value);
    this.#final = final;
    this.stats.load_success++;
    this.stats.override_dir_not_exists++;
    this.stats.num_keys = final.size;
    this.stats.num_layers = this.#layers.length;
  }
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
