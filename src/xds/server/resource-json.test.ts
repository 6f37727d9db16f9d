import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { SecretSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { Resource } from '../session/resource-types.ts';
import { clientStatus } from './client-status.ts';
import { decodeNode, nodeJson } from './node.ts';
import { encodeResource, resourceJson } from './resource-json.ts';
import type { TypeStatus } from './served-type.ts';

test('a resource is printed as its Any, and keys are not', () => {
  const inline = (text: string) => ({ specifier: { case: 'inlineBytes' as const, value: Buffer.from(text) } });
  const secret = create(SecretSchema, {
    name: 'web',
    type: { case: 'tlsCertificate', value: { certificateChain: inline('CERT'), privateKey: inline('hunter2') } },
  });
  const printed = resourceJson(Resource.Secret, { name: 'web', version: '', bytes: encodeResource(secret) });
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  assert.deepEqual(printed, {
    '@type': Resource.Secret,
    name: 'web',
    tlsCertificate: {
      certificateChain: { inlineBytes: base64('CERT') },
      privateKey: { inlineBytes: base64('[redacted]') },
    },
  });
});

test('what cannot be printed says why', () => {
  const bytes = new Uint8Array([0x0a, 0xff]);
  const broken = resourceJson(Resource.Cluster, { name: 'a', version: '', bytes });
  assert.match(String(broken.error), /^cannot be printed: /);
  const unknown = resourceJson('type.googleapis.com/no.such.Type', { name: 'a', version: '', bytes });
  assert.deepEqual(unknown, {
    '@type': 'type.googleapis.com/no.such.Type',
    name: 'a',
    error: 'cannot be printed: its type is not known',
  });
});

test('a node is kept without its extensions', () => {
  const node = create(NodeSchema, {
    id: 'x',
    metadata: { A: 'b' },
    extensions: [{ name: 'envoy.filters.http.router' }],
  });
  assert.deepEqual(nodeJson(decodeNode(encodeResource(node))), { id: 'x', metadata: { A: 'b' } });
});

test('the state of each type of a client', () => {
  const type = (more: Partial<TypeStatus>) =>
    ({
      typeUrl: Resource.Cluster,
      sentNonce: '',
      ackedNonce: '',
      sentAt: 1500.5,
      nack: undefined,
      ...more,
    }) as TypeStatus;
  const nack = { message: 'bad' } as TypeStatus['nack'];
  const { bytes, name } = clientStatus('web.default', { CLUSTER_ID: 'c' }, [
    type({}),
    type({ sentNonce: '2', ackedNonce: '1' }),
    type({ sentNonce: '2', ackedNonce: '2' }),
    type({ sentNonce: '2', ackedNonce: '1', nack }),
  ]);
  assert.equal(name, 'web.default');
  const states: [string, number, number][] = [];
  const times: string[] = [];
  const reader = new BinaryReader(bytes);
  let node: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const [field] = reader.tag();
    if (field === 1) node = reader.bytes();
    else {
      assert.equal(field, 3);
      const inner = new BinaryReader(reader.bytes());
      const state: [string, number, number] = ['', 0, 0];
      while (inner.pos < inner.len) {
        const [number, wire] = inner.tag();
        if (number === 1) state[0] = inner.string();
        else if (number === 6) state[1] = inner.int32();
        else if (number === 5) times.push(Buffer.from(inner.bytes()).toString('hex'));
        else {
          state[2] = number;
          inner.skip(wire);
        }
      }
      states.push(state);
    }
  }
  assert.equal(decodeNode(node!).id, 'web.default');
  assert.deepEqual(states, [
    [Resource.Cluster, 2, 0],
    [Resource.Cluster, 3, 0],
    [Resource.Cluster, 1, 0],
    [Resource.Cluster, 4, 8],
  ]);
  // A second and half of one; nothing is sent of the first.
  assert.deepEqual(times, Array(3).fill('080110a08cd4ee01'));
});
