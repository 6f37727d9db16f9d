import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type JsonValue } from '@bufbuild/protobuf';
import {
  RuntimeFeatureFlagSchema,
  RuntimeFractionalPercentSchema,
} from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { FractionalPercent_DenominatorType } from '../../api/gen/envoy/type/v3/percent_pb.ts';
import { integerAt, runtimeFlag, runtimeFraction, shareAt } from './runtime-values.ts';

const of = (value: JsonValue | undefined) => ({ get: (key: string) => (key === 'k' ? value : undefined) });

test('what runtime may say of a share, a number and a flag', () => {
  const shares: readonly (readonly [JsonValue | undefined, number])[] = [
    [undefined, 0.25],
    [0, 0],
    [100, 1],
    [12.9, 0.12],
    [-1, 0.25],
    ['50', 0.25],
    [true, 0.25],
    [null, 0.25],
    [{ numerator: 1, denominator: 'TEN_THOUSAND' }, 0.0001],
    [{ numerator: 7 }, 0.07],
    [{ denominator: 'MILLION' }, 0],
    [{ numerator: 1, denominator: 'DOZEN' }, 0.25],
    [[1], 0.25],
  ];
  for (const [value, share] of shares) assert.equal(shareAt(of(value), 'k', 0.25), share, JSON.stringify(value));
  const numbers: readonly (readonly [JsonValue | undefined, number])[] = [
    [undefined, 9],
    [0, 0],
    [1.5, 1.5],
    [-2, 9],
    ['3', 9],
  ];
  for (const [value, number] of numbers) assert.equal(integerAt(of(value), 'k', 9), number, JSON.stringify(value));
  const flag = create(RuntimeFeatureFlagSchema, { defaultValue: true, runtimeKey: 'k' });
  assert.equal(runtimeFlag(flag, false, of(undefined)).value, true);
  assert.equal(runtimeFlag(flag, false, of(false)).value, false);
  assert.equal(runtimeFlag(flag, false, of('false')).value, true);
  assert.equal(runtimeFlag(undefined, false, of(true)).value, false);
});

test('a value changes with runtime, and one without a key never', () => {
  let now: JsonValue | undefined = 10;
  const runtime = { get: () => now };
  const defaultValue = { numerator: 50, denominator: FractionalPercent_DenominatorType.HUNDRED };
  const keyed = runtimeFraction(create(RuntimeFractionalPercentSchema, { defaultValue, runtimeKey: 'k' }), 1, runtime);
  const fixed = runtimeFraction(create(RuntimeFractionalPercentSchema, { defaultValue }), 1, runtime);
  assert.deepEqual([keyed.value, fixed.value], [0.1, 0.5]);
  now = undefined;
  assert.deepEqual([keyed.value, fixed.value], [0.5, 0.5]);
});
