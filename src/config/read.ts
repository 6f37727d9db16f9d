import type { SourceLocation } from '../base/errors.ts';
import { groupOf, type KindDefinition } from './kinds/definition.ts';
import { type Metadata, metadataSchema } from './kinds/metadata.ts';
import { judgeKind } from './kinds/unused.ts';
import { type ConfigMessage, messageFrom } from './message.ts';
import { type ConfigObject, type FieldPath, type ObjectMeta, objectKey } from './object.ts';
import { Report } from './report.ts';
import { isRecord, nameOf, notAString, ReadContext, type Violation } from './schema/index.ts';
import { closest, didYouMean } from './schema/suggest.ts';
import { validateAnnotations } from './validation/annotations.ts';
import { checkLabelKey, checkLabelValue, isDnsLabel, isDnsSubdomain } from './validation/names.ts';
import type { YamlLimits } from './yaml/limits.ts';
import { parseYaml, type YamlDocument } from './yaml/parse.ts';

export interface ReadFileOptions {
  /** The namespace of namespaced objects that name none. Default `default`, as kubectl's. */
  readonly defaultNamespace?: string;
  readonly limits?: YamlLimits;
}

/** One object of a file: accepted, refused, or of a kind that the mesh has no use for. */
export interface ReadEntry {
  /** Undefined when the document does not say which object it is. */
  readonly key: string | undefined;
  readonly definition: KindDefinition | undefined;
  /** Set when there is no error. Its creation time is 0 when the document tells none. */
  readonly object: ConfigObject | undefined;
  /**
   * The object as far as it could be read, also when it is refused: what an analysis looks at. Fields that could not be
   * read, required ones among them, may be missing from its spec.
   */
  readonly draft: ConfigObject | undefined;
  readonly errors: readonly ConfigMessage[];
  readonly warnings: readonly ConfigMessage[];
  /** Of a kind that the mesh does not read; neither accepted nor an error. */
  readonly unused: boolean;
  readonly at: SourceLocation;
  readonly place: Place;
  /** Absolute path of the file that it is applied from, where that is not the one that the store keeps it in. */
  readonly file?: string;
}

/** Where an object stands in its file. */
export interface Place {
  /** Position of the document among those of the file, from 0. */
  readonly document: number;
  /** The path inside of the document, such as `['items', 3]`; empty when the document is the object. */
  readonly path: FieldPath;
}

const WHOLE_DOCUMENT: Place = { document: 0, path: [] };

export interface ReadResult {
  readonly entries: readonly ReadEntry[];
  /** What is wrong with the file as such; not empty means that some of its objects may be missing from `entries`. */
  readonly problems: readonly ConfigMessage[];
  readonly documents: readonly YamlDocument[];
}

/** A JSON value of a document, or of an item of a list in it. */
interface Candidate {
  readonly value: unknown;
  readonly locate: (path: FieldPath) => SourceLocation;
  readonly place: Place;
}

/** Reads every object of a file and checks it against the schema and the rules of its kind. `file` names it in messages. */
export function readObjects(text: string, file: string, options: ReadFileOptions = {}): ReadResult {
  const parsed = parseYaml(text, file, options.limits);
  const entries = parsed.documents
    .flatMap(({ value, locate }, document) => expandList({ value, locate, place: { document, path: [] } }))
    .map(({ value, locate, place }) => ({ ...readObject(value, locate, options.defaultNamespace), place }));
  return { entries, problems: parsed.problems, documents: parsed.documents };
}

/** The items of a `List` or of a typed list such as `VirtualServiceList`; anything else is its own only item. */
function expandList(candidate: Candidate): Candidate[] {
  const { value, locate, place } = candidate;
  if (
    !isRecord(value) ||
    typeof value.kind !== 'string' ||
    !value.kind.endsWith('List') ||
    !Array.isArray(value.items)
  ) {
    return [candidate];
  }
  const apiVersion = value.apiVersion;
  const kind = value.kind.slice(0, -'List'.length);
  return value.items.flatMap((item: unknown, index) =>
    expandList({
      value: kind !== '' && isRecord(item) ? { apiVersion, kind, ...item } : item,
      locate: (path) => locate(['items', index, ...path]),
      place: { document: place.document, path: [...place.path, 'items', index] },
    }),
  );
}

/** Reads one object that is already JSON, such as one that an API server sent. */
export function readObject(
  value: unknown,
  locate: (path: FieldPath) => SourceLocation,
  defaultNamespace = 'default',
): ReadEntry {
  const violations: Violation[] = [];
  const report = new Report(violations);
  const entry = (
    key: string | undefined,
    rest: { definition?: KindDefinition; object?: ConfigObject; unused?: boolean } = {},
  ): ReadEntry => {
    const of = (severity: Violation['severity']): ConfigMessage[] =>
      violations.filter((v) => v.severity === severity).map((v) => messageFrom(v, key, locate));
    const errors = of('error');
    return {
      key,
      definition: rest.definition,
      object: errors.length === 0 ? rest.object : undefined,
      draft: rest.object,
      errors,
      warnings: of('warning'),
      unused: rest.unused ?? false,
      at: locate([]),
      place: WHOLE_DOCUMENT,
    };
  };

  if (!isRecord(value)) {
    report.error(`must be a Kubernetes object with apiVersion and kind, not ${nameOf(value)}`);
    return entry(undefined);
  }
  const { apiVersion, kind } = value;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    for (const [field, given] of Object.entries({ apiVersion, kind })) {
      if (typeof given === 'string') continue;
      const wrong = given === undefined || given === null ? 'is required' : notAString(given);
      report.error(wrong, field);
    }
    return entry(undefined);
  }
  const verdict = judgeKind(apiVersion, kind);
  if ('refused' in verdict) {
    report.error(verdict.refused, verdict.field);
    return entry(undefined);
  }
  if ('unused' in verdict) {
    report.warning(verdict.unused);
    return entry(undefined, { unused: true });
  }

  const { definition } = verdict;
  const metadata = readMetadata(value.metadata, definition, defaultNamespace, violations);
  if (metadata === undefined) return entry(undefined, { definition });
  const key = objectKey(definition.id, metadata.namespace, metadata.name);
  const spec = readSpec(value, definition, violations);
  const object: ConfigObject = { apiVersion, group: groupOf(apiVersion), kind, metadata, spec, raw: value, locate };
  // Rules rely on what the schema promises.
  if (violations.some((v) => v.severity === 'error')) return entry(key, { definition, object });
  if (definition.unknownFields === 'error') validateAnnotations(object, report);
  definition.validate?.(object, report);
  return entry(key, { definition, object });
}

function readSpec(
  value: Readonly<Record<string, unknown>>,
  definition: KindDefinition,
  violations: Violation[],
): unknown {
  const inSpec = definition.layout === 'spec';
  const context = new ReadContext(inSpec ? ['spec'] : [], definition);
  const { apiVersion: _v, kind: _k, metadata: _m, status: _s, ...body } = value;
  const spec = definition.schema.read(inSpec ? (value.spec ?? {}) : body, context) ?? {};
  violations.push(...context.violations);
  if (inSpec) {
    const others = new ReadContext([], { unknownFields: definition.unknownFields });
    const { spec: _spec, ...rest } = body;
    for (const key of Object.keys(rest)) {
      others.path.push(key);
      const known = definition.schema.type === 'object' && key in (definition.schema as { fields?: object }).fields!;
      others.unknown(`is an unknown field${known ? '; it belongs under spec' : didYouMean(closest(key, TOP_LEVEL))}`);
      others.path.pop();
    }
    violations.push(...others.violations);
  }
  return spec;
}

const TOP_LEVEL = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

/** Undefined when the document does not say which object it is. */
function readMetadata(
  value: unknown,
  definition: KindDefinition,
  defaultNamespace: string,
  violations: Violation[],
): ObjectMeta | undefined {
  const context = new ReadContext(['metadata'], { unknownFields: definition.unknownFields });
  const metadata = metadataSchema.read(value ?? {}, context);
  violations.push(...context.violations);
  const report = new Report(violations, ['metadata']);
  const name = metadata?.name;
  if (metadata === undefined || name === undefined || name === '') {
    const written = isRecord(value) ? value.name : undefined;
    if (written === undefined || written === null || written === '') {
      const hint = metadata?.generateName === undefined ? '' : '; generateName has no meaning in a file';
      report.error(`is required${hint}`, 'name');
    }
    return undefined;
  }
  const isLabel = definition.id === 'Namespace' || definition.id === 'Service';
  if (isLabel ? !isDnsLabel(name) : !isDnsSubdomain(name)) {
    report.error(
      `must be lower-case letters, digits${isLabel ? '' : ', .'} and -, not ${JSON.stringify(name)}`,
      'name',
    );
  }
  if (!definition.namespaced && metadata.namespace !== undefined)
    report.warning(`has no meaning: a ${definition.kind} is in no namespace`, 'namespace');
  const namespace = definition.namespaced ? metadata.namespace || defaultNamespace : '';
  if (namespace !== '' && !isDnsLabel(namespace)) {
    report.error(`must be lower-case letters, digits and -, not ${JSON.stringify(namespace)}`, 'namespace');
  }
  checkLabels(metadata, report);
  const created = metadata.creationTimestamp === undefined ? 0 : Date.parse(metadata.creationTimestamp);
  if (Number.isNaN(created)) report.error('must be a time such as 2026-01-31T12:00:00Z', 'creationTimestamp');
  return {
    name,
    namespace,
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    creationTimestamp: created,
    ...(metadata.generation === undefined ? {} : { generation: metadata.generation }),
    ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
  };
}

function checkLabels(metadata: Metadata, report: Report): void {
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    const wrong = checkLabelKey(key) ?? checkLabelValue(value);
    if (wrong !== undefined) report.error(wrong, 'labels', key);
  }
  for (const key of Object.keys(metadata.annotations ?? {})) {
    const wrong = checkLabelKey(key);
    if (wrong !== undefined) report.error(wrong, 'annotations', key);
  }
}
