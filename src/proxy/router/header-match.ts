import type { HeaderMatcher, QueryParameterMatcher } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { wireForm } from '../../base/bytes.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { regexTest, type StringTest, stringTest } from './string-match.ts';

export type HeaderTest = (headers: Headers) => boolean;

/**
 * `envoy.config.route.v3.HeaderMatcher`. One matching value of a repeated header is a match, so that nobody hides a value
 * from a rule behind another one, and the inverted matcher wants that none matches. A header that is not there is
 * neither, unless it is to count as empty.
 */
export function headerTest(matcher: HeaderMatcher, errors: ConfigErrors): HeaderTest {
  // Host is kept where HTTP/2 has it.
  const lower = matcher.name.toLowerCase();
  const name = lower === 'host' ? ':authority' : lower;
  const { headerMatchSpecifier: specifier, invertMatch, treatMissingHeaderAsEmpty } = matcher;
  if (name === '') errors.add('name', 'must not be empty');
  if (specifier.case === undefined || specifier.case === 'presentMatch') {
    const present = (specifier.value ?? true) !== invertMatch;
    return (headers) => headers.has(name) === present;
  }
  const test = valueTest(specifier, errors);
  const missing = treatMissingHeaderAsEmpty && test('') !== invertMatch;
  if (name.startsWith(':')) {
    return (headers) => {
      const value = headers.get(name);
      return value === undefined ? missing : test(value) !== invertMatch;
    };
  }
  return (headers) => {
    let found = false;
    for (let i = 0; i < headers.size; i++) {
      if (headers.nameAt(i) !== name) continue;
      if (test(headers.valueAt(i))) return !invertMatch;
      found = true;
    }
    return found ? invertMatch : missing;
  };
}

type Specifier = HeaderMatcher['headerMatchSpecifier'];

function valueTest(specifier: Specifier, errors: ConfigErrors): StringTest {
  switch (specifier.case) {
    case 'exactMatch': {
      const wanted = wireForm(specifier.value);
      return (value) => value === wanted;
    }
    case 'prefixMatch': {
      const wanted = wireForm(specifier.value);
      return (value) => value.startsWith(wanted);
    }
    case 'suffixMatch': {
      const wanted = wireForm(specifier.value);
      return (value) => value.endsWith(wanted);
    }
    case 'containsMatch': {
      const wanted = wireForm(specifier.value);
      return (value) => value.includes(wanted);
    }
    case 'safeRegexMatch':
      return regexTest(specifier.value, errors.at('safe_regex_match'));
    case 'stringMatch':
      return stringTest(specifier.value, errors.at('string_match'));
    case 'rangeMatch': {
      const { start, end } = specifier.value;
      return (value) => /^[+-]?\d{1,19}$/.test(value) && BigInt(value) >= start && BigInt(value) < end;
    }
    default:
      return () => false;
  }
}

export type QueryTest = (parameters: ReadonlyMap<string, string>) => boolean;

/** `envoy.config.route.v3.QueryParameterMatcher`: the first value of a repeated parameter counts, undecoded. */
export function queryTest(matcher: QueryParameterMatcher, errors: ConfigErrors): QueryTest {
  const { name, queryParameterMatchSpecifier: specifier } = matcher;
  if (specifier.case === 'stringMatch') {
    const test = stringTest(specifier.value, errors.at('string_match'));
    return (parameters) => {
      const value = parameters.get(name);
      return value !== undefined && test(value);
    };
  }
  const present = specifier.value ?? true;
  return (parameters) => parameters.has(name) === present;
}

/** The query of a path as Envoy's matchers see it: not decoded, the first of equal names kept. */
export function parseQuery(path: string): Map<string, string> {
  const parameters = new Map<string, string>();
  const start = path.indexOf('?');
  if (start < 0) return parameters;
  const end = path.indexOf('#', start);
  for (const pair of path.slice(start + 1, end < 0 ? undefined : end).split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    if (!parameters.has(name)) parameters.set(name, equals < 0 ? '' : pair.slice(equals + 1));
  }
  return parameters;
}
