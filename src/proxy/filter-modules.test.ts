import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { create, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { type TypedExtensionConfig, TypedExtensionConfigSchema } from '../api/gen/envoy/config/core/v3/extension_pb.ts';
import { TypedStructSchema } from '../api/gen/xds/type/v3/typed_struct_pb.ts';
import { packAny } from '../api/registry.ts';
import { ConfigErrors } from './config/errors.ts';
import { loadFilterModules } from './filter-modules.ts';

const FILTER = `import { defineFilter, HeadersStatus } from 'isthmus/filter';
export default defineFilter({
  name: 'test.one',
  configType: 'test.One',
  compile(config, _context, errors) {
    if (config.wrong) errors.add('wrong', 'is wrong');
    return { create: () => ({ requestHeaders: () => HeadersStatus.Continue }) };
  },
});
`;

function extension(value: JsonObject, type = 'type.googleapis.com/isthmus.HttpFilterModules'): TypedExtensionConfig {
  const struct = create(TypedStructSchema, { typeUrl: type, value });
  return create(TypedExtensionConfigSchema, {
    name: 'filters',
    typedConfig: packAny(TypedStructSchema, toBinary(TypedStructSchema, struct)),
  });
}

test('files with filters', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-modules-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  fs.writeFileSync(path.join(folder, 'one.ts'), FILTER);
  fs.writeFileSync(path.join(folder, 'empty.ts'), 'export const nothing = 1;\n');
  fs.writeFileSync(path.join(folder, 'broken.ts'), 'throw new Error("on purpose");\n');
  const load = async (...extensions: readonly TypedExtensionConfig[]) => {
    const errors = new ConfigErrors();
    const definitions = await loadFilterModules(extensions, folder, errors);
    return { names: definitions.map(({ name }) => name), errors: errors.toString() };
  };

  assert.deepEqual(await load(extension({ modules: ['one.ts'] }), extension({ modules: [] })), {
    names: ['test.one'],
    errors: '',
  });
  const wrong: readonly (readonly [TypedExtensionConfig, RegExp])[] = [
    [extension({ modules: ['none.ts'] }), /^\[0\]\.typed_config\.value\.modules\[0\]: .*none\.ts cannot be loaded/],
    [extension({ modules: ['one.ts', 'broken.ts'] }), /modules\[1\]: .*broken\.ts cannot be loaded: on purpose$/],
    [extension({ modules: ['empty.ts'] }), /empty\.ts exports no filter by default/],
    [extension({ modules: 'one.ts' }), /value\.modules: a list of paths is needed$/],
    [extension({ modules: [''] }), /value\.modules: a list of paths is needed$/],
    [extension({ modules: [], more: 1 }), /value\.more: unknown field$/],
    [extension({ modules: [] }, 'x/other.Type'), /^\[0\]\.typed_config: is not supported/],
    [create(TypedExtensionConfigSchema, { name: 'none' }), /^\[0\]\.typed_config: is not supported/],
  ];
  for (const [one, message] of wrong) assert.match((await load(one)).errors, message);
});
