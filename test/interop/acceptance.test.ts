import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { type JsonObject, toJson } from '@bufbuild/protobuf';
import { type Node, NodeSchema } from '../../src/api/gen/envoy/config/core/v3/base_pb.ts';
import { Logging } from '../../src/base/log.ts';
import { loadBootstrap } from '../../src/proxy/bootstrap.ts';
import type { AddressMap } from '../../src/proxy/net/address-map.ts';
import { ProxyServer } from '../../src/proxy/server.ts';
import type { ConfigSource } from '../../src/xds/client/config-source.ts';
import { until, withoutReference } from '../support/reference.ts';
import { readFixture } from './translation/fixture.ts';
import { Istiod } from './translation/istiod.ts';

const FOLDER = path.join(import.meta.dirname, 'translation/fixtures');

/** What istiod sends and our proxy refuses, by what it says, and why that is right. */
const REFUSED: readonly (readonly [RegExp, string])[] = [
  [/local_jwks: is not a JSON Web Key Set/, 'Envoy refuses a set without keys as well'],
  [
    /virtual_hosts\[\d+\]\.cors: is not supported/,
    'an EnvoyFilter in the words of Envoy before 1.23; the filter has taken its place',
  ],
  [/v3\.Lua is not supported/, 'there is no Lua; a filter in TypeScript takes its place'],
  [
    /redis_proxy\.v3\.\w+ is not supported/,
    'not built: istiod sends them only where an EnvoyFilter or a feature flag says so',
  ],
  [
    /network\.wasm\.v3\.Wasm is not supported/,
    'there is no WebAssembly; a listener with such a filter closes connections',
  ],
  [/%(LOG|V)% is not a known operator/, 'made up by the fixture'],
  [/name: \S+ is not supported|typed_config: is needed/, 'made up by the fixture'],
  [/crl\.pem cannot be read/, 'the fixture names a file that there is not'],
  [/partial wildcards are not supported/, 'Envoy refuses them as well: istiod forwards a wildcard host by its SNI'],
  [/x\.y\.Z is not supported/, 'there is no such filter'],
];

const HTTP2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
};

const cluster = (name: string, port: number): JsonObject => ({
  name,
  type: 'STATIC',
  connect_timeout: '5s',
  typed_extension_protocol_options: HTTP2,
  load_assignment: {
    cluster_name: name,
    endpoints: [
      { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] },
    ],
  },
});

/** The bootstrap of a proxy whose control plane is at a port. */
function bootstrapOf(node: Node, port: number): string {
  const ads = { ads: {}, resource_api_version: 'V3' };
  return JSON.stringify({
    node: toJson(NodeSchema, node),
    dynamic_resources: {
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: { clusters: [cluster('xds-grpc', port), cluster('sds-grpc', 1), cluster('zipkin', 1)] },
  });
}

/** Has no secret that anybody asks for, and says so. */
const NO_SECRETS: ConfigSource = {
  subscribe(_type, names, sink) {
    queueMicrotask(() => sink.onMissing(names ?? []));
    return { setNames: (others) => queueMicrotask(() => sink.onMissing(others)), close() {} };
  },
};

/** Listeners listen at an address that nobody else has, whatever they ask for. */
const ELSEWHERE: AddressMap = {
  bind: () => [{ address: '127.0.0.1', port: 0, family: 4 }],
  connect: (address) => address,
  source: () => undefined,
  accepted: (local) => local,
};

/** Looks at 10 ms each. */
const QUIET_LOOKS = 40;

interface Outcome {
  /** What was refused, each once, without the part that says how many. */
  readonly refused: readonly string[];
  readonly clusters: number;
}

async function run(node: Node, port: number): Promise<Outcome> {
  const lines: string[] = [];
  const logging = new Logging({ format: 'envoy', level: 'warning', stream: { write: (line) => lines.push(line) } });
  const sources = new Map([['sds-grpc', NO_SECRETS]]);
  const { bootstrap } = loadBootstrap(undefined, bootstrapOf(node, port));
  const proxy = new ProxyServer({ bootstrap, logging, drainMs: 0, commandLine: {}, addresses: ELSEWHERE, sources });
  const started = proxy.start();
  started.catch(() => {});
  try {
    // Some ask for secrets of Kubernetes, for which istiod ends the streams of those who have shown no certificate.
    const isRefused = () =>
      lines.some((line) => line.includes('v3.Listener rejected') || line.includes('requires an authenticated'));
    await until(
      'listeners have come',
      () => proxy.state === 'LIVE' || proxy.listeners.version !== '' || isRefused() || undefined,
    ).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}: ${JSON.stringify(proxy.unreadyTargets(false))}`);
    });
    // Routes follow the listeners that name them: it is over when nothing moves any more.
    let seen = '';
    let still = 0;
    await until('nothing moves any more', () => {
      const now = JSON.stringify([proxy.unreadyTargets(false), lines.length, [...proxy.routes.all()].length]);
      still = now === seen ? still + 1 : 0;
      seen = now;
      return still >= QUIET_LOOKS || undefined;
    });
  } finally {
    proxy.stop();
  }
  const refused = lines.flatMap((line) => {
    const [, rest] = /config for \S+ rejected: (?:\d+ of \d+: )?([\s\S]*)/.exec(line) ?? [];
    // Reasons of several resources, and of several fields of one.
    return rest === undefined ? [] : rest.trim().split(/\n|\\n|; (?=[a-z_]+(?:[.[:]|$))/);
  });
  return { refused: [...new Set(refused)], clusters: [...proxy.clusters.active()].length };
}

for (const file of fs.readdirSync(FOLDER).sort()) {
  test(`our proxy takes what istiod sends: ${file}`, { skip: withoutReference, timeout: 120_000 }, async () => {
    const { files, nodes } = readFixture(path.join(FOLDER, file));
    const istiod = await Istiod.start(files);
    try {
      for (const [i, node] of nodes.entries()) {
        const { refused } = await run(node, Number(istiod.address.split(':')[1]));
        const unexpected = refused.filter((line) => !REFUSED.some(([pattern]) => pattern.test(line)));
        assert.deepEqual(unexpected, [], `proxy ${i}`);
      }
    } finally {
      await istiod.stop();
    }
  });
}
