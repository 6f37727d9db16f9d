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

/** Adds to `differences` whatever `schema` and the CRD's `api` disagree on. */
function compare(schema: Schema<unknown>, api: OpenApi, path: string, differences: string[]): void {
  const differ = (what: string): void => void differences.push(`${path}: ${what}`);
  if (schema.type === 'struct') {
    if (!api['x-kubernetes-preserve-unknown-fields']) differ('is any object in ours only');
  } else if (schema.type === 'object') {
    if (api.type !== 'object') return differ(`is an object in ours, ${api.type} in the CRD`);
    const { fields, options } = schema as ObjectSchema<Readonly<Record<string, Schema<unknown>>>>;
    const theirs = api.properties ?? {};
    const aliases = options.aliases ?? {};
    for (const name of Object.keys(theirs))
      if (!(name in fields) && !(name in aliases)) differ(`has no ${name} in ours`);
    for (const [name, field] of Object.entries(fields)) {
      const other = theirs[name];
      if (other !== undefined) compare(field, other, `${path}.${name}`, differences);
      else if (!NOT_IN_CRDS.has(name)) differ(`has no ${name} in the CRD`);
    }
  } else if (schema.type === 'array') {
    if (api.type !== 'array') return differ(`is a list in ours, ${api.type} in the CRD`);
    compare((schema as ArraySchema<unknown>).items, api.items!, `${path}[]`, differences);
  } else if (schema.type === 'map') {
    if (typeof api.additionalProperties !== 'object') return differ('is a map in ours only');
    compare((schema as MapSchema<unknown>).values, api.additionalProperties, `${path}{}`, differences);
  } else if (STRING_TYPES.includes(schema.type)) {
    if (api.type !== 'string') return differ(`is ${schema.type} in ours, ${api.type} in the CRD`);
    const ours = schema.type === 'enum' ? [...(schema as EnumSchema<string>).values].sort() : [];
    const theirs = (api.enum ?? []).filter((v) => v !== '').sort();
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) differ(`has the values ${ours} in ours, ${theirs} in the CRD`);
  } else if (schema.type === 'integer') {
    const isInteger = api.type === 'integer' || api['x-kubernetes-int-or-string'] === true;
    if (!isInteger) differ(`is an integer in ours, ${api.type} in the CRD`);
    else if (api.maximum !== undefined && api.maximum > (schema as IntegerSchema).max)
      differ('has a smaller maximum in ours');
  } else if (schema.type !== api.type) differ(`is ${schema.type} in ours, ${api.type} in the CRD`);
}

test('the schemas of Istio’s kinds agree with its CRDs, field by field', { skip: corpus === undefined }, () => {
  const differences: string[] = [];
  for (const { spec } of crds()) {
    const ours = (KINDS as readonly KindDefinition[]).find((k) => k.kind === spec.names.kind);
    assert.ok(ours, spec.names.kind);
    for (const version of spec.versions) {
      const apiVersion = `${spec.group}/${version.name}`;
      assert.ok(ours.apiVersions.includes(apiVersion), apiVersion);
      compare(ours.schema, version.schema.openAPIV3Schema.properties!.spec!, `${apiVersion} ${ours.kind}`, differences);
    }
    assert.equal(ours.plural, spec.names.plural);
    assert.deepEqual(ours.shortNames ?? [], spec.names.shortNames ?? [], ours.kind);
    assert.equal(ours.namespaced, spec.scope === 'Namespaced');
  }
  assert.deepEqual(differences, []);
});
