import { RE2JS } from 're2js';
import type { RegexMatcher } from '../../api/gen/envoy/type/matcher/v3/regex_pb.ts';
import type { StringMatcher } from '../../api/gen/envoy/type/matcher/v3/string_pb.ts';
import { fromWireForm, wireForm } from '../../base/bytes.ts';
import type { ConfigErrors } from '../config/errors.ts';

/** Tests a text in its wire form. */
export type StringTest = (text: string) => boolean;

/** A user's regular expression runs on RE2's syntax in linear time, never on the engine of the runtime. */
export function compileRegex(regex: string, errors: ConfigErrors): RE2JS | undefined {
  try {
    return RE2JS.compile(regex);
  } catch (error) {
    errors.add('regex', `${JSON.stringify(regex)} is not valid: ${(error as Error).message}`);
    return undefined;
  }
}

/** The whole text has to match, as in all of Envoy's matchers. */
export function regexTest(matcher: RegexMatcher, errors: ConfigErrors): StringTest {
  const regex = compileRegex(matcher.regex, errors);
  return regex === undefined ? () => false : (text) => regex.testExact(fromWireForm(text));
}

/** Compiles `envoy.type.matcher.v3.StringMatcher`. */
export function stringTest(matcher: StringMatcher, errors: ConfigErrors): StringTest {
  const { matchPattern, ignoreCase } = matcher;
  const fold = ignoreCase ? (text: string) => text.toLowerCase() : (text: string) => text;
  switch (matchPattern.case) {
    case 'exact': {
      const wanted = fold(wireForm(matchPattern.value));
      return ignoreCase ? (text) => fold(text) === wanted : (text) => text === wanted;
    }
    case 'prefix': {
      const wanted = fold(wireForm(matchPattern.value));
      return (text) => fold(text).startsWith(wanted);
    }
    case 'suffix': {
      const wanted = fold(wireForm(matchPattern.value));
      return (text) => fold(text).endsWith(wanted);
    }
    case 'contains': {
      const wanted = fold(wireForm(matchPattern.value));
      return (text) => fold(text).includes(wanted);
    }
    case 'safeRegex':
      return regexTest(matchPattern.value, errors.at('safe_regex'));
    default:
      errors.add(matchPattern.case ?? '', 'a pattern is needed');
      return () => false;
  }
}
