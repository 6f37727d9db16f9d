import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, map, object, string, struct } from './index.ts';
import { withJsonNames } from './json-names.ts';

test('each field has its JSON name, and what is no field stays', () => {
  const inner = object({ aField: string() }, { aliases: { older_name: 'aField' } });
  const schema = object({ oneList: array(inner), byName: map(inner), anyThing: struct() }, { protobufNames: true });
  const given = {
    one_list: [{ a_field: '1' }, { older_name: '2' }, { aField: '3' }],
    by_name: { a_field: { a_field: '4' } },
    any_thing: { a_field: '5' },
    no_field: { a_field: '6' },
  };
  assert.deepEqual(withJsonNames(schema, given), {
    oneList: [{ aField: '1' }, { aField: '2' }, { aField: '3' }],
    byName: { a_field: { aField: '4' } },
    anyThing: { a_field: '5' },
    no_field: { a_field: '6' },
  });
});
