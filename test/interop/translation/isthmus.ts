import { create } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import type { Node } from '../../../src/api/gen/envoy/config/core/v3/base_pb.ts';
import { meshConfigSchema } from '../../../src/config/kinds/mesh-config/schema.ts';
import { readWith } from '../../../src/config/schema/index.ts';
import { DEFAULT_REGISTRY_OPTIONS } from '../../../src/registry/options.ts';
import { RegistryBuilder } from '../../../src/registry/registry.ts';
import type { TypeUrl } from '../../../src/translate/cell.ts';
import { featuresFromEnv } from '../../../src/translate/features.ts';
import { type MeshSnapshot, meshOf } from '../../../src/translate/mesh.ts';
import { parseNode } from '../../../src/translate/node.ts';
import type { Translation } from '../../../src/translate/translation.ts';
import { MeshTranslator } from '../../../src/translate/translator.ts';
import { type Dump, fetchAll, type Types } from './resources.ts';
import { readTexts, snapshotOf } from './snapshot.ts';

export interface MeshFiles {
  readonly config: Readonly<Record<string, string>>;
  readonly mesh: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** Our translation of the same files that istiod is given. Addresses are not allocated, which istiod does not in file mode. */
export function meshSnapshot({ config, mesh: meshFile, env }: MeshFiles): {
  snapshot: MeshSnapshot;
  translator: MeshTranslator;
} {
  const { value: mesh, violations } = readWith(meshConfigSchema, meshFile, [], { unknownFields: 'error' });
  if (mesh === undefined) throw new Error(JSON.stringify(violations));
  const objects = snapshotOf(readTexts(config));
  const { trustDomain } = meshOf(mesh);
  const options = { ...DEFAULT_REGISTRY_OPTIONS, trustDomain, allocateAddresses: false };
  const registry = new RegistryBuilder(options).build(objects);
  const translator = new MeshTranslator({ features: featuresFromEnv(env), domain: 'cluster.local' });
  return { snapshot: { number: 1, config: objects, registry, mesh }, translator };
}

export function translationFor(files: MeshFiles, node: Node): Translation {
  const { snapshot, translator } = meshSnapshot(files);
  const parsed = parseNode(node);
  if ('problem' in parsed) throw new Error(`the node ${parsed.problem}`);
  return translator.translate(snapshot, parsed);
}

/** What one proxy gets from a translation, as if it had asked over ADS. */
export function dumpOf(types: Types, translation: Translation): Promise<Dump> {
  return fetchAll(types, (typeUrl, names) => {
    const type = typeUrl as TypeUrl;
    const cells =
      names.length === 0 ? translation.all(type) : names.flatMap((name) => translation.get(type, name) ?? []);
    return Promise.resolve(cells.map(({ bytes }): Any => create(AnySchema, { typeUrl, value: bytes })));
  });
}
