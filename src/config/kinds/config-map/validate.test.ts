import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSources } from '../../check.ts';
import { formatMessage } from '../../message.ts';
import { readObjects } from '../../read.ts';

test('the mesh configuration in the ConfigMap istio is checked where it stands', () => {
  const text = `apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |-
    accessLogFile: /dev/stdout
    outboundTrafficPolicy: {mode: REGISTRY}
    defaultConfig:
      concurency: 2
      proxyAdminPort: 0
  meshNetworks: "networks: {}"
`;
  const said = checkSources([{ name: 'f.yaml', text }])[0]!.errors.map(formatMessage);
  assert.equal(said.length, 2, said.join('\n'));
  assert.match(
    said[0]!,
    /^f\.yaml:7:29: ConfigMap\/istio-system\/istio: data\.mesh\.outboundTrafficPolicy\.mode must be one of REGISTRY_ONLY, /,
  );
  assert.match(
    said[1]!,
    /^f\.yaml:9:7: .*data\.mesh\.defaultConfig\.concurency is an unknown field; did you mean "concurrency"\?/,
  );
});

test('mesh configuration that is no YAML is told with its line', () => {
  const text = '{apiVersion: v1, kind: ConfigMap, metadata: {name: istio-canary}, data: {mesh: "a: b: c"}}';
  assert.match(checkSources([{ name: 'f.yaml', text }])[0]!.errors[0]!.message, /is not valid YAML: .* in its line 1/);
});

test('any other ConfigMap may hold anything, also keys without a value', () => {
  const text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata:\n  mesh: "not: [yaml"\n  empty:\n';
  const [entry] = readObjects(text, 'f.yaml').entries;
  assert.deepEqual(entry!.errors, []);
  assert.deepEqual(entry!.object!.spec, { data: { mesh: 'not: [yaml', empty: '' } });
});
