import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { TypedStructSchema } from '../../api/gen/xds/type/v3/typed_struct_pb.ts';
import { packAny } from '../../api/registry.ts';
import { ConfigErrors } from '../config/errors.ts';
import type { WorkerContext } from '../context.ts';
import type { FilterBuildContext } from './filter.ts';
import { HttpFilterRegistry } from './filter-registry.ts';
import { defineFilter } from './user-filter.ts';

const context = {} as FilterBuildContext;

function compile(registry: HttpFilterRegistry, name: string, any: Any | undefined): string {
  const errors = new ConfigErrors().at('http_filters[0]');
  const factory = registry.compileFilter(name, any, context, errors);
  assert.equal(factory === undefined, errors.any);
  return errors.toString();
}

const typed = (type: string) => create(AnySchema, { typeUrl: `type.googleapis.com/${type}` });

test('what is refused, and why', () => {
  const registry = new HttpFilterRegistry([], {} as WorkerContext);
  const http = 'envoy.extensions.filters.http';
  const cases: readonly (readonly [string, Any | undefined, RegExp])[] = [
    ['none', undefined, /^http_filters\[0\]\.name: "none" is not a filter of this proxy$/],
    ['x', typed(`${http}.gone.v3.Gone`), /^http_filters\[0\]\.typed_config: .*http\.gone\.v3\.Gone is not supported$/],
    ['x', typed(`${http}.lua.v3.Lua`), /Lua is not supported: this proxy does not run Lua\. Write .*adding-a-filter/],
    ['x', typed(`${http}.wasm.v3.Wasm`), /Wasm is not supported: this proxy does not run WebAssembly\./],
  ];
  for (const [name, any, message] of cases) assert.match(compile(registry, name, any), message);
  const routes = new ConfigErrors();
  registry.compile({ lua: typed(`${http}.lua.v3.LuaPerRoute`) }, () => assert.fail(), routes);
  assert.match(routes.toString(), /does not run Lua/);
});

test('a filter of one’s own goes by its type, or by its name', () => {
  const registry = new HttpFilterRegistry([], {} as WorkerContext);
  const seen: unknown[] = [];
  registry.add(
    defineFilter({
      name: 'test.one',
      configType: 'test.One',
      compile(config, _context, errors) {
        seen.push(config);
        if (config.wrong) errors.add('wrong', 'must not be');
        return { create: () => undefined };
      },
    }) as never,
  );
  const struct = (value: { wrong: boolean }) => {
    const message = create(TypedStructSchema, { typeUrl: 'type.googleapis.com/test.One', value });
    return packAny(TypedStructSchema, toBinary(TypedStructSchema, message));
  };
  assert.equal(compile(registry, 'any name', struct({ wrong: false })), '');
  assert.equal(compile(registry, 'test.one', undefined), '');
  const errors = new ConfigErrors();
  registry.compileFilter('any name', struct({ wrong: true }), context, errors);
  assert.equal(errors.toString(), 'typed_config.wrong: must not be');
  assert.deepEqual(seen, [{ wrong: false }, {}, { wrong: true }]);
});
