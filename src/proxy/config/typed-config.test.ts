import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { ConfigSchema } from '../../api/gen/io/istio/peer_metadata/config_pb.ts';
import { TypedStructSchema } from '../../api/gen/udpa/type/v1/typed_struct_pb.ts';
import { ConfigErrors } from './errors.ts';
import { configTypeName, decodeConfig } from './typed-config.ts';

const NAME = 'io.istio.http.peer_metadata.Config';

function wrapped(value: JsonObject, wrapper = 'udpa.type.v1.TypedStruct'): Any {
  const struct = create(TypedStructSchema, { typeUrl: `type.googleapis.com/${NAME}`, value });
  const bytes = toBinary(TypedStructSchema, struct);
  return create(AnySchema, { typeUrl: `type.googleapis.com/${wrapper}`, value: bytes });
}

test('the type of a configuration, written either way', () => {
  assert.equal(configTypeName(create(AnySchema, { typeUrl: `type.googleapis.com/${NAME}` })), NAME);
  for (const wrapper of ['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct']) {
    assert.equal(configTypeName(wrapped({}, wrapper)), NAME);
  }
  const broken = create(AnySchema, { typeUrl: 'a/udpa.type.v1.TypedStruct', value: Uint8Array.of(0xff) });
  assert.equal(configTypeName(broken), 'udpa.type.v1.TypedStruct');
});

test('a struct reads as the message that it names, in both spellings', () => {
  const spellings: JsonObject[] = [{ shared_with_upstream: true }, { sharedWithUpstream: true }];
  for (const value of spellings) {
    const errors = new ConfigErrors();
    const config = decodeConfig(ConfigSchema, wrapped(value), errors);
    assert.equal(errors.toString(), '');
    assert.deepEqual(config, create(ConfigSchema, { sharedWithUpstream: true }));
  }
  assert.deepEqual(decodeConfig(ConfigSchema, undefined, new ConfigErrors()), create(ConfigSchema));
});

test('what is wrong has its path', () => {
  const errorsOf = (any: Any) => {
    const errors = new ConfigErrors();
    assert.equal(decodeConfig(ConfigSchema, any, errors.at('typed_config')), undefined);
    return errors.toString();
  };
  const value: JsonObject = { downstream_discovery: [{ istio_headers: {} }, { istio_headers: { nothing: 1 } }] };
  assert.match(errorsOf(wrapped(value)), /^typed_config\.downstream_discovery\[1\]\.istio_headers\.nothing: /);
  const broken = create(AnySchema, { typeUrl: `a/${NAME}`, value: Uint8Array.of(0xff) });
  assert.match(errorsOf(broken), /^typed_config: cannot be decoded: /);
});
