import type { FilterStateMatcher } from '../../api/gen/envoy/type/matcher/v3/filter_state_pb.ts';
import { wireForm } from '../../base/bytes.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { stringTest } from './string-match.ts';

/** Compiles `envoy.type.matcher.v3.FilterStateMatcher` for an object of the filter state; what is no text never matches. */
export function filterStateTest(
  { key, matcher }: FilterStateMatcher,
  errors: ConfigErrors,
): (object: unknown) => boolean {
  if (key === '') errors.add('key', 'must not be empty');
  if (matcher.case !== 'stringMatch') {
    errors.add('string_match', 'is needed');
    return () => false;
  }
  const test = stringTest(matcher.value, errors.at('string_match'));
  return (object) => typeof object === 'string' && test(wireForm(object));
}
