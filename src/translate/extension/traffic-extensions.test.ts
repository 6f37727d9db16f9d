import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary, fromJson } from '@bufbuild/protobuf';
import { translationFor } from '../../../test/interop/translation/isthmus.ts';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { TypedExtensionConfigSchema } from '../../api/gen/envoy/config/core/v3/extension_pb.ts';
import { ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { WasmSchema } from '../../api/gen/envoy/extensions/filters/http/wasm/v3/wasm_pb.ts';
import { HttpConnectionManagerSchema } from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import { TypeUrl } from '../cell.ts';

const SERVICE = `
apiVersion: v1
kind: Service
metadata: {name: a, namespace: default}
spec: {clusterIP: 10.0.0.1, ports: [{name: http, port: 80}]}
`;

const PLUGIN = `
---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: headers, namespace: default}
spec: {url: "registry.example.com/headers:v1", phase: AUTHN, pluginConfig: {name: x}, imagePullSecret: secret}
`;

function translate(config: string) {
  const node = fromJson(NodeSchema, {
    id: 'sidecar~10.1.0.1~app.default~default.svc.cluster.local',
    metadata: { NAMESPACE: 'default' },
  });
  return translationFor({ config: { 'mesh.yaml': SERVICE + config }, mesh: {} }, node);
}

function httpFilters(config: string): string[] {
  const cell = translate(config)
    .all(TypeUrl.Listener)
    .find(({ name }) => name === '0.0.0.0_80')!;
  const { filters } = fromBinary(ListenerSchema, cell.bytes).filterChains[0]!;
  const any = filters.at(-1)!.configType.value as { value: Uint8Array };
  return fromBinary(HttpConnectionManagerSchema, any.value).httpFilters.map(({ name }) => name);
}

const NAME = 'extensions.istio.io/trafficextension/default.headers';

test('a WasmPlugin stands where its phase says, and its module is told apart', () => {
  assert.deepEqual(httpFilters(PLUGIN).slice(0, 2), ['istio.metadata_exchange', NAME]);
  const cell = translate(PLUGIN).get(TypeUrl.ExtensionConfig, NAME)!;
  const { typedConfig } = fromBinary(TypedExtensionConfigSchema, cell.bytes);
  const { config } = fromBinary(WasmSchema, typedConfig!.value);
  assert.equal(config!.name, 'default.headers');
  const code = config!.vm.value!.code!.specifier;
  assert.ok(code.case === 'remote');
  assert.equal(code.value.httpUri!.uri, 'oci://registry.example.com/headers:v1');
  assert.equal(cell.origin[0]!.file, 'mesh.yaml');
});

test('a plugin never carries the secret that its image is pulled with', () => {
  const cell = translate(PLUGIN).get(TypeUrl.ExtensionConfig, NAME)!;
  const { typedConfig } = fromBinary(TypedExtensionConfigSchema, cell.bytes);
  const { environmentVariables } = fromBinary(WasmSchema, typedConfig!.value).config!.vm.value!;
  assert.equal(environmentVariables!.keyValues.ISTIO_META_WASM_IMAGE_PULL_SECRET, '');
});

test('extensions of other workloads, and unknown names, are not there', () => {
  const other = PLUGIN.replace('spec: {', 'spec: {selector: {matchLabels: {app: other}}, ');
  assert.equal(httpFilters(other).includes(NAME), false);
  assert.equal(translate(other).get(TypeUrl.ExtensionConfig, NAME), undefined);
  assert.equal(translate(PLUGIN).get(TypeUrl.ExtensionConfig, 'nobody'), undefined);
});
