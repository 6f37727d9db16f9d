import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { CustomTagSchema } from '../../api/gen/envoy/type/tracing/v3/custom_tag_pb.ts';
import type { ProxyNode } from '../node.ts';
import { customTags } from './custom-tags.ts';

const TAGS = { fixed: { literal: { value: 'v' } }, line: { formatter: { value: '%PROTOCOL%' } } };

test('a tag with a formatter is the field `value` of CustomTag, for proxies that know it', () => {
  const [fixed, line] = customTags(TAGS, { isEnvoy: true } as ProxyNode);
  assert.deepEqual(fixed?.type, { case: 'literal', value: { value: 'v' } });
  const bytes = toBinary(CustomTagSchema, create(CustomTagSchema, line));
  // Field 1 is the tag, field 6 the value.
  assert.deepEqual(Buffer.from(bytes).toString('latin1'), '\x0a\x04line\x32\x0a%PROTOCOL%');
  assert.equal(fromBinary(CustomTagSchema, bytes).tag, 'line');
});

test('other proxies would refuse it, and get the rest', () => {
  const tags = customTags(TAGS, { isEnvoy: false } as ProxyNode);
  assert.deepEqual(
    tags.map(({ tag }) => tag),
    ['fixed'],
  );
});
