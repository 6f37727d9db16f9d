import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSources, describeCheck } from './check.ts';

const service = (name: string, port = 80): string =>
  `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {ports: [{port: ${port}}]}}\n`;

test('an object that stands twice in a file is an error, in two files a warning', () => {
  const files = checkSources([
    { name: 'a.yaml', text: `${service('x')}---\n${service('x')}` },
    { name: 'b.yaml', text: service('x') },
  ]);
  assert.deepEqual(
    files.map((f) => [f.errors.length, f.warnings.length]),
    [
      [1, 0],
      [0, 1],
    ],
  );
  assert.match(files[0]!.errors[0]!.message, /the other one is at a\.yaml:1:1/);
});

test('is told file by file, and the errors last', () => {
  const files = checkSources([
    { name: 'good.yaml', text: service('a') },
    { name: 'bad.yaml', text: `${service('b', 0)}---\n${service('c', 0)}` },
    { name: 'other.yaml', text: '{apiVersion: x.io/v1, kind: Z, metadata: {name: z}}' },
  ]);
  assert.equal(
    describeCheck(files),
    `"good.yaml" is valid
"other.yaml" has warnings:
\t* other.yaml:1:1: Z of x.io/v1 has no effect on the mesh

Error: 2 errors occurred:
\t* bad.yaml:1:70: Service/default/b: spec.ports[0].port must be between 1 and 65535, not 0
\t* bad.yaml:3:70: Service/default/c: spec.ports[0].port must be between 1 and 65535, not 0
`,
  );
  assert.equal(describeCheck([]), '');
});
