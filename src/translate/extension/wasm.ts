import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { AnySchema, StringValueSchema } from '@bufbuild/protobuf/wkt';
import type { AsyncDataSourceSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import {
  type TypedExtensionConfig,
  TypedExtensionConfigSchema,
} from '../../api/gen/envoy/config/core/v3/extension_pb.ts';
import { WasmSchema as HttpWasmSchema } from '../../api/gen/envoy/extensions/filters/http/wasm/v3/wasm_pb.ts';
import { WasmSchema as NetworkWasmSchema } from '../../api/gen/envoy/extensions/filters/network/wasm/v3/wasm_pb.ts';
import { type PluginConfig, PluginConfigSchema } from '../../api/gen/envoy/extensions/wasm/v3/wasm_pb.ts';
import type { Wasm } from '../../config/kinds/shared/wasm.ts';
import { extension, pack } from '../proto/any.ts';
import { duration } from '../proto/values.ts';
import type { TrafficExtension } from './traffic-extensions.ts';

const RUNTIME = 'envoy.wasm.runtime.v8';
/** Milliseconds. */
const FETCH_TIMEOUT = 30_000;

/** What istio-agent reads, and takes away, when it fetches a module for its proxy. */
const PULL_SECRET_VARIABLE = 'ISTIO_META_WASM_IMAGE_PULL_SECRET';
const PULL_POLICY_VARIABLE = 'ISTIO_META_WASM_IMAGE_PULL_POLICY';
const VERSION_VARIABLE = 'ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION';

/** Number of `failure_policy` in envoy.extensions.wasm.v3.PluginConfig, which is younger than the API that the types are made from. */
const FAILURE_POLICY_FIELD = 7;
const FAILURE_POLICIES = { FAIL_RELOAD: 1, FAIL_CLOSE: 2, FAIL_OPEN: 3 } as const;

/** The extension configuration of an extension in WebAssembly. */
export function wasmConfiguration(of: TrafficExtension, wasm: Wasm): TypedExtensionConfig {
  const config = pluginConfig(of, wasm);
  const settings =
    wasm.type === 'NETWORK'
      ? extension(of.name, NetworkWasmSchema, { config })
      : extension(of.name, HttpWasmSchema, { config });
  return create(TypedExtensionConfigSchema, settings);
}

function pluginConfig({ source }: TrafficExtension, wasm: Wasm): PluginConfig {
  const { namespace, name } = source.metadata;
  const config = create(PluginConfigSchema, {
    name: `${namespace}.${name}`,
    rootId: wasm.pluginName ?? '',
    configuration: hasFields(wasm.pluginConfig)
      ? pack(StringValueSchema, { value: JSON.stringify(wasm.pluginConfig) })
      : create(AnySchema),
    vm: {
      case: 'vmConfig',
      value: {
        runtime: RUNTIME,
        code: { specifier: codeOf(wasm) },
        environmentVariables: environmentOf(wasm),
      },
    },
  });
  const policy = FAILURE_POLICIES[wasm.failStrategy ?? 'FAIL_CLOSE'];
  config.$unknown = [{ no: FAILURE_POLICY_FIELD, wireType: 0, data: Uint8Array.of(policy) }];
  return config;
}

function hasFields(config: Wasm['pluginConfig']): boolean {
  return config !== undefined && Object.keys(config).length > 0;
}

type Code = NonNullable<(MessageInitShape<typeof AsyncDataSourceSchema> & object)['specifier']>;

/** A file, or what the agent fetches; an address without a scheme is an image's. */
function codeOf({ url = '', sha256 = '' }: Wasm): Code {
  if (url.startsWith('file://')) {
    return { case: 'local', value: { specifier: { case: 'filename', value: url.slice('file://'.length) } } };
  }
  const uri = /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `oci://${url}`;
  const httpUpstreamType = { case: 'cluster' as const, value: '_' };
  return { case: 'remote', value: { httpUri: { uri, timeout: duration(FETCH_TIMEOUT), httpUpstreamType }, sha256 } };
}

function environmentOf({ imagePullPolicy, imagePullSecret, vmConfig }: Wasm) {
  const keyValues: Record<string, string> = {};
  // The secret itself would have to pass through here; agents find it by name.
  if (imagePullSecret) keyValues[PULL_SECRET_VARIABLE] = '';
  if (imagePullPolicy !== undefined && imagePullPolicy !== 'UNSPECIFIED_POLICY') {
    keyValues[PULL_POLICY_VARIABLE] = imagePullPolicy;
  }
  keyValues[VERSION_VARIABLE] = '';
  const hostEnvKeys: string[] = [];
  for (const { name = '', value = '', valueFrom } of vmConfig?.env ?? []) {
    if (valueFrom === 'HOST') hostEnvKeys.push(name);
    else keyValues[name] = value;
  }
  return { keyValues, hostEnvKeys };
}
