import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HeaderMatcherSchema } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { StringMatcherSchema } from '../../api/gen/envoy/type/matcher/v3/string_pb.ts';
import { exact, prefixed, regex, suffixed } from '../proto/values.ts';

export type StringInit = MessageInitShape<typeof StringMatcherSchema> & object;
type HeaderInit = MessageInitShape<typeof HeaderMatcherSchema> & object;

/** A value of a policy: `*` for anything that is there, `*end`, `start*`, or the whole. */
export function valueMatcher(value: string): StringInit {
  if (value === '*') return regex('.+');
  if (value.startsWith('*')) return suffixed(value.slice(1));
  return value.endsWith('*') ? prefixed(value.slice(0, -1)) : exact(value);
}

/** The same for something that always begins with `prefix`, which the value leaves out. */
export function valueMatcherAfter(prefix: string, value: string): StringInit {
  if (value === '*') return regex('.+');
  if (value.startsWith('*')) return regex(`${prefix}.*${value.slice(1)}`);
  return value.endsWith('*') ? prefixed(prefix + value.slice(0, -1)) : exact(prefix + value);
}

/** Matches a header by a value of Istio's policies: `*` is any, and a star at an end a prefix or suffix. */
export function headerMatcher(name: string, value: string, ignoreCase = false): HeaderInit {
  if (value === '*') return { name, headerMatchSpecifier: { case: 'presentMatch', value: true } };
  return { name, headerMatchSpecifier: { case: 'stringMatch', value: { ...valueMatcher(value), ignoreCase } } };
}
