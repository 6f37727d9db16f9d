import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { FilterStateValueSchema } from '../../../api/gen/envoy/extensions/filters/common/set_filter_state/v3/value_pb.ts';
import { ConfigErrors } from '../../config/errors.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import { filterStateValues } from './values.ts';

function run(...list: JsonObject[]) {
  const errors = new ConfigErrors();
  const values = filterStateValues(
    list.map((json) => fromJson(FilterStateValueSchema, json)),
    errors,
  );
  const info = new StreamInfo(stubConnection(), 0, 0);
  info.routeName = 'r';
  const seen: [string, unknown][] = [];
  if (!errors.any) values(info, (name, value) => seen.push([name, value]));
  return { seen, errors: errors.list.map(({ path, message }) => `${path}: ${message}`) };
}

const value = (objectKey: string, text: string, more: JsonObject = {}): JsonObject => ({
  objectKey,
  formatString: { textFormatSource: { inlineString: text }, omitEmptyValues: true },
  ...more,
});

test('objects are made of what a format makes', () => {
  const { seen, errors } = run(
    value('mine', '%ROUTE_NAME%!', { factoryKey: 'envoy.string' }),
    value('envoy.network.application_protocols', 'h2,http/1.1'),
    value('envoy.network.upstream_server_name', 'a.example'),
    value('envoy.ratelimit.hits_addend', '7'),
    value('envoy.ratelimit.hits_addend', 'seven'),
    value('empty', '%UPSTREAM_HOST%', { factoryKey: 'envoy.string' }),
    value('skipped', '%UPSTREAM_HOST%', { factoryKey: 'envoy.string', skipIfEmpty: true }),
    { objectKey: 'json', factoryKey: 'envoy.string', formatString: { jsonFormat: { b: '%ROUTE_NAME%', a: 1 } } },
  );
  assert.deepEqual(errors, []);
  assert.deepEqual(seen, [
    ['mine', 'r!'],
    ['envoy.network.application_protocols', ['h2', 'http/1.1']],
    ['envoy.network.upstream_server_name', 'a.example'],
    ['envoy.ratelimit.hits_addend', 7],
    ['empty', ''],
    ['json', '{"a":1,"b":"r"}'],
  ]);
});

test('what is wrong is told with its path', () => {
  const table: [JsonObject, string][] = [
    [value('mine', 'a'), '[0].object_key: "mine" is no object that is made of a text; envoy.string is one'],
    [
      value('mine', 'a', { factoryKey: 'other' }),
      '[0].factory_key: "other" is no object that is made of a text; envoy.string is one',
    ],
    [value('', 'a'), '[0].object_key: must not be empty'],
    [{ objectKey: 'a', factoryKey: 'envoy.string' }, '[0].format_string: is needed'],
    [
      { objectKey: 'a', factoryKey: 'envoy.string', formatString: {} },
      '[0].format_string: a text or JSON format is needed',
    ],
    [value('a', '%NOTHING%', { factoryKey: 'envoy.string' }), '[0].format_string: %NOTHING% is not a known operator'],
  ];
  for (const [json, want] of table) assert.equal(run(json).errors[0], want);
});
