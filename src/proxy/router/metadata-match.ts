import type { MetadataMatcher } from '../../api/gen/envoy/type/matcher/v3/metadata_pb.ts';
import type { DoubleMatcher } from '../../api/gen/envoy/type/matcher/v3/number_pb.ts';
import type { ValueMatcher } from '../../api/gen/envoy/type/matcher/v3/value_pb.ts';
import { wireForm } from '../../base/bytes.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { stringTest } from './string-match.ts';

/** Metadata of a request, a route, a host: namespace -> struct. */
export type MetadataSource = ReadonlyMap<string, Readonly<Record<string, unknown>>> | undefined;

export type MetadataTest = (metadata: MetadataSource) => boolean;

/** `envoy.type.matcher.v3.MetadataMatcher`. */
export function metadataTest(matcher: MetadataMatcher, errors: ConfigErrors): MetadataTest {
  const { filter, invert } = matcher;
  const keys = matcher.path.map((segment) => segment.segment.value ?? '');
  if (filter === '') errors.add('filter', 'must not be empty');
  if (keys.length === 0) errors.add('path', 'must not be empty');
  if (matcher.value === undefined) errors.add('value', 'is needed');
  const test = matcher.value === undefined ? () => false : valueTest(matcher.value, errors.at('value'));
  return (metadata) => test(valueAt(metadata?.get(filter), keys)) !== invert;
}

/** The value under nested keys, or undefined. */
export function valueAt(root: unknown, keys: readonly string[]): unknown {
  let value = root;
  for (const key of keys) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, key)) {
      return undefined;
    }
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** Tests a value of google.protobuf.Value in its JSON form; undefined for none. */
type ValueTest = (value: unknown) => boolean;

function valueTest(matcher: ValueMatcher, errors: ConfigErrors): ValueTest {
  const { matchPattern: pattern } = matcher;
  switch (pattern.case) {
    case 'nullMatch':
      return (value) => value === null;
    case 'boolMatch': {
      const wanted = pattern.value;
      return (value) => value === wanted;
    }
    case 'presentMatch': {
      const wanted = pattern.value;
      return (value) => wanted && value !== undefined;
    }
    case 'stringMatch': {
      const test = stringTest(pattern.value, errors.at('string_match'));
      return (value) => typeof value === 'string' && test(wireForm(value));
    }
    case 'doubleMatch':
      return doubleTest(pattern.value, errors.at('double_match'));
    case 'listMatch': {
      const { matchPattern: list } = pattern.value;
      if (list.case === undefined) {
        errors.add('list_match', 'one_of is needed');
        return () => false;
      }
      const test = valueTest(list.value, errors.at('list_match').at('one_of'));
      return (value) => Array.isArray(value) && value.some(test);
    }
    case 'orMatch': {
      const at = errors.at('or_match').at('value_matchers');
      const tests = pattern.value.valueMatchers.map((m, i) => valueTest(m, at.at(i)));
      return (value) => tests.some((test) => test(value));
    }
    default:
      errors.add('', 'a pattern is needed');
      return () => false;
  }
}

function doubleTest(matcher: DoubleMatcher, errors: ConfigErrors): ValueTest {
  const { matchPattern: pattern } = matcher;
  if (pattern.case === 'exact') return (value) => value === pattern.value;
  if (pattern.case === 'range') {
    const { start, end } = pattern.value;
    return (value) => typeof value === 'number' && value >= start && value < end;
  }
  errors.add('', 'range or exact is needed');
  return () => false;
}
