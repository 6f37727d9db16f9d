import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack, DurationSchema } from '@bufbuild/protobuf/wkt';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { SecretSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
  ResourceSchema,
} from '../../api/gen/envoy/service/discovery/v3/discovery_pb.ts';
import {
  DecodeError,
  decodeDeltaDiscoveryRequest,
  decodeDeltaDiscoveryResponse,
  decodeDiscoveryRequest,
  decodeDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
  encodeDiscoveryRequest,
  encodeDiscoveryResponse,
} from './codec.ts';
import { Resource } from './resource-types.ts';

const typeUrl = Resource.Secret;
const node = create(NodeSchema, { id: 'sidecar~10.0.0.1~web.default~default.svc.cluster.local', cluster: 'web' });
const nodeBytes = toBinary(NodeSchema, node);
const secret = create(SecretSchema, { name: 'grün' });
const payload = toBinary(SecretSchema, secret);

test('requests are those of the generated types', () => {
  const error = { code: 13, message: 'no\nway' };
  const sotw = {
    typeUrl,
    versionInfo: '7',
    resourceNames: ['a', '', 'ü'],
    responseNonce: 'n',
    node: nodeBytes,
    errorDetail: error,
  };
  assert.deepEqual(
    fromBinary(DiscoveryRequestSchema, encodeDiscoveryRequest(sotw)),
    create(DiscoveryRequestSchema, { ...sotw, node, errorDetail: error }),
  );
  assert.deepEqual(decodeDiscoveryRequest(encodeDiscoveryRequest(sotw)), sotw);

  const delta = {
    typeUrl,
    node: nodeBytes,
    subscribe: ['a', '*'],
    unsubscribe: ['b'],
    initialResourceVersions: new Map([
      ['a', '1'],
      ['__proto__', '2'],
    ]),
    responseNonce: 'n',
    errorDetail: error,
  };
  const generated = fromBinary(DeltaDiscoveryRequestSchema, encodeDeltaDiscoveryRequest(delta));
  assert.deepEqual(generated.resourceNamesSubscribe, ['a', '*']);
  assert.deepEqual(generated.resourceNamesUnsubscribe, ['b']);
  assert.deepEqual(Object.entries(generated.initialResourceVersions)[0], ['a', '1']);
  assert.equal(generated.errorDetail?.message, 'no\nway');
  assert.equal(generated.node?.id, node.id);
  assert.deepEqual(decodeDeltaDiscoveryRequest(encodeDeltaDiscoveryRequest(delta)), delta);
});

test('an empty request says nothing but its type', () => {
  const sotw = { typeUrl, versionInfo: '', resourceNames: [], responseNonce: '' };
  assert.deepEqual(
    fromBinary(DiscoveryRequestSchema, encodeDiscoveryRequest(sotw)),
    create(DiscoveryRequestSchema, { typeUrl }),
  );
  const delta = {
    typeUrl,
    subscribe: [],
    unsubscribe: [],
    initialResourceVersions: new Map<string, string>(),
    responseNonce: '',
  };
  assert.deepEqual(
    fromBinary(DeltaDiscoveryRequestSchema, encodeDeltaDiscoveryRequest(delta)),
    create(DeltaDiscoveryRequestSchema, { typeUrl }),
  );
});

test('responses are those of the generated types', () => {
  const served = {
    typeUrl,
    version: '7',
    nonce: 'n',
    resources: [{ name: 'grün', version: 'h', bytes: payload }],
    removed: ['x'],
  };
  const any = { $typeName: 'google.protobuf.Any', typeUrl, value: payload } as const;
  assert.deepEqual(
    fromBinary(DiscoveryResponseSchema, encodeDiscoveryResponse({ ...served, removed: [] }, 'me')),
    create(DiscoveryResponseSchema, {
      typeUrl,
      versionInfo: '7',
      nonce: 'n',
      resources: [any],
      controlPlane: { identifier: 'me' },
    }),
  );
  assert.deepEqual(
    fromBinary(DeltaDiscoveryResponseSchema, encodeDeltaDiscoveryResponse(served, 'me')),
    create(DeltaDiscoveryResponseSchema, {
      typeUrl,
      systemVersionInfo: '7',
      nonce: 'n',
      resources: [{ name: 'grün', version: 'h', resource: any }],
      removedResources: ['x'],
      controlPlane: { identifier: 'me' },
    }),
  );
});

test('resources keep their payload, and get their name from it where the variant has none', () => {
  const wrapped = anyPack(
    ResourceSchema,
    create(ResourceSchema, { name: 'wrapped', version: '3', resource: anyPack(SecretSchema, secret) }),
  );
  const bytes = toBinary(
    DiscoveryResponseSchema,
    create(DiscoveryResponseSchema, {
      typeUrl,
      versionInfo: '7',
      nonce: 'n',
      canary: true,
      resources: [anyPack(SecretSchema, secret), wrapped, { typeUrl, value: new Uint8Array([0xff]) }],
      controlPlane: { identifier: 'me' },
    }),
  );
  const { resources, ...rest } = decodeDiscoveryResponse(bytes);
  assert.deepEqual(rest, { typeUrl, versionInfo: '7', nonce: 'n', controlPlane: 'me' });
  assert.deepEqual(
    resources.map((r) => [r.name, r.version, r.typeUrl, r.hasPayload, r.hasTtl]),
    [
      ['grün', '', typeUrl, true, false],
      ['wrapped', '3', typeUrl, true, false],
      ['', '', typeUrl, true, false],
    ],
  );
  assert.deepEqual(resources[0].bytes, payload);
  assert.equal(resources[0].bytes.buffer, bytes.buffer, 'a view, not a copy');
});

test('heartbeats, times to live and names with constraints are seen', () => {
  const bytes = toBinary(
    DeltaDiscoveryResponseSchema,
    create(DeltaDiscoveryResponseSchema, {
      typeUrl,
      nonce: 'n',
      resources: [
        { name: 'beat', version: '1', ttl: create(DurationSchema, { seconds: 3n }) },
        { resourceName: { name: 'variant' }, version: '2', aliases: ['v'], resource: anyPack(SecretSchema, secret) },
      ],
      removedResourceNames: [{ name: 'gone' }],
    }),
  );
  const { resources, removed } = decodeDeltaDiscoveryResponse(bytes);
  assert.deepEqual(
    resources.map((r) => [r.name, r.version, r.hasPayload, r.hasTtl]),
    [
      ['beat', '1', false, true],
      ['variant', '2', true, false],
    ],
  );
  assert.deepEqual(removed, ['gone']);
});

test('cut and spoilt messages are decode errors or other messages, never anything else', () => {
  const delta = encodeDeltaDiscoveryResponse(
    { typeUrl, version: '7', nonce: 'n', resources: [{ name: 'a', version: 'h', bytes: payload }], removed: ['x'] },
    'me',
  );
  const request = encodeDeltaDiscoveryRequest({
    typeUrl,
    node: nodeBytes,
    subscribe: ['a'],
    unsubscribe: [],
    initialResourceVersions: new Map([['a', '1']]),
    responseNonce: 'n',
    errorDetail: { code: 13, message: 'no' },
  });
  const table: [Uint8Array, (bytes: Uint8Array) => unknown][] = [
    [delta, decodeDeltaDiscoveryResponse],
    [delta, decodeDiscoveryResponse],
    [request, decodeDeltaDiscoveryRequest],
    [request, decodeDiscoveryRequest],
  ];
  let refused = 0;
  for (const [bytes, decode] of table) {
    for (let i = 0; i < bytes.length; i++) {
      const spoilt = bytes.slice();
      spoilt[i] ^= 0xff;
      for (const input of [bytes.subarray(0, i), spoilt]) {
        try {
          decode(input);
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
          refused++;
        }
      }
    }
  }
  assert.ok(refused > 100, `${refused} refused`);
});
