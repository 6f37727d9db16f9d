import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type {
  ArraySchema,
  EnumSchema,
  IntegerSchema,
  MapSchema,
  ObjectSchema,
  Schema,
  SchemaType,
} from '../schema/index.ts';
import { parseYaml } from '../yaml/parse.ts';
import type { KindDefinition } from './definition.ts';
import { KINDS } from './index.ts';

/** A folder of Istio's own definitions, which stay outside of this repository. */
const corpus = process.env.ISTHMUS_CORPUS;

interface OpenApi {
  readonly type?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, OpenApi>>;
  readonly additionalProperties?: OpenApi | boolean;
  readonly items?: OpenApi;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly OpenApi[];
  readonly maximum?: number;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
}

interface Crd {
  readonly spec: {
    readonly group: string;
    readonly scope: string;
    readonly names: { readonly kind: string; readonly plural: string; readonly shortNames?: readonly string[] };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: OpenApi } }[];
  };
}

/** Fields of Istio's protobuf API that its CRDs leave out, and that istiod and istioctl read nevertheless. */
const NOT_IN_CRDS = new Set(['allowOrigin', 'sourceSubnet']);

function crds(): Crd[] {
  const file = join(corpus!, 'validate/schemas/istio-1.31-crd-all.gen.yaml');
  const { documents, problems } = parseYaml(readFileSync(file, 'utf8'), file, {
    fileSize: 1e8,
    values: 1e6,
    depth: 100,
    documents: 100,
  });
  assert.deepEqual(problems, []);
  return documents.map((d) => d.value as Crd);
}

const STRING_TYPES: readonly SchemaType[] = ['string', 'duration', 'bytes', 'enum'];

/** The type in a CRD of a value that ours reads. */
function typeInCrd(type: SchemaType): string {
  if (type === 'map' || type === 'struct') return 'object';
  return STRING_TYPES.includes(type) ? 'string' : type;
}

/** What `schema` and the CRD's `api` disagree on. */
function* compare(schema: Schema<unknown>, api: OpenApi, path: string): Generator<string> {
  const theirType = api['x-kubernetes-int-or-string'] === true ? 'integer' : api.type;
  if (theirType !== typeInCrd(schema.type)) {
    yield `${path}: is ${schema.type} in ours, ${theirType} in the CRD`;
    return;
  }
  if (schema.type === 'object') yield* compareObject(schema as ObjectSchema<Fields>, api, path);
  else if (schema.type === 'array') yield* compare((schema as ArraySchema<unknown>).items, api.items!, `${path}[]`);
  else if (schema.type === 'map') {
    if (typeof api.additionalProperties !== 'object') yield `${path}: is a map in ours only`;
    else yield* compare((schema as MapSchema<unknown>).values, api.additionalProperties, `${path}{}`);
  } else if (schema.type === 'struct') {
    if (!api['x-kubernetes-preserve-unknown-fields']) yield `${path}: is any object in ours only`;
  } else if (schema.type === 'integer') {
    if ((api.maximum ?? 0) > (schema as IntegerSchema).max) yield `${path}: has a smaller maximum in ours`;
  } else if (typeInCrd(schema.type) === 'string') {
    const ours = schema.type === 'enum' ? [...(schema as EnumSchema<string>).values].sort() : [];
    const theirs = (api.enum ?? []).filter((v) => v !== '').sort();
    if (String(ours) !== String(theirs)) yield `${path}: has the values ${ours} in ours, ${theirs} in the CRD`;
  }
}

type Fields = Readonly<Record<string, Schema<unknown>>>;

function* compareObject(schema: ObjectSchema<Fields>, api: OpenApi, path: string): Generator<string> {
  const { fields, options } = schema;
  const theirs = api.properties ?? {};
  for (const name of Object.keys(theirs)) {
    if (!(name in fields) && !(name in (options.aliases ?? {}))) yield `${path}: has no ${name} in ours`;
  }
  for (const [name, field] of Object.entries(fields)) {
    const other = theirs[name];
    if (other !== undefined) yield* compare(field, other, `${path}.${name}`);
    else if (!NOT_IN_CRDS.has(name)) yield `${path}: has no ${name} in the CRD`;
  }
}

test('the schemas of the kinds of Istio agree with its CRDs, field by field', { skip: corpus === undefined }, () => {
  const differences: string[] = [];
  for (const { spec } of crds()) {
    const ours = (KINDS as readonly KindDefinition[]).find((k) => k.kind === spec.names.kind);
    assert.ok(ours, spec.names.kind);
    for (const version of spec.versions) {
      const apiVersion = `${spec.group}/${version.name}`;
      assert.ok(ours.apiVersions.includes(apiVersion), apiVersion);
      differences.push(
        ...compare(ours.schema, version.schema.openAPIV3Schema.properties!.spec!, `${apiVersion} ${ours.kind}`),
      );
    }
    assert.equal(ours.plural, spec.names.plural);
    assert.deepEqual(ours.shortNames ?? [], spec.names.shortNames ?? [], ours.kind);
    assert.equal(ours.namespaced, spec.scope === 'Namespaced');
  }
  assert.deepEqual(differences, []);
});
