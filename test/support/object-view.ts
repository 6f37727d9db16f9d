import assert from 'node:assert/strict';
import { readObjects } from '../../src/config/read.ts';
import { ObjectView } from '../../src/local/object-view.ts';

/** The objects of a text of YAML, which must be valid. */
export function viewOf(text: string): ObjectView {
  const { entries } = readObjects(text, 'test.yaml');
  assert.deepEqual(
    entries.flatMap((e) => e.errors.map((m) => `${m.field}: ${m.message}`)),
    [],
  );
  const view = new ObjectView();
  for (const { object } of entries) if (object) view.add(object.raw);
  return view;
}
