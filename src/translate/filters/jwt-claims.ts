import type { MessageInitShape } from '@bufbuild/protobuf';
import type { MetadataMatcherSchema } from '../../api/gen/envoy/type/matcher/v3/metadata_pb.ts';
import type { StringMatcherSchema } from '../../api/gen/envoy/type/matcher/v3/string_pb.ts';
import type { ValueMatcherSchema } from '../../api/gen/envoy/type/matcher/v3/value_pb.ts';

export const JWT_FILTER = 'envoy.filters.http.jwt_authn';
/** Key under which the filter leaves a token's claims. */
export const JWT_PAYLOAD = 'payload';

type StringInit = MessageInitShape<typeof StringMatcherSchema>;
type ValueInit = MessageInitShape<typeof ValueMatcherSchema> & object;

/** Matches a claim that is a string, or a list that has one. */
export function jwtClaimMatcher(
  path: readonly string[],
  matcher: StringInit,
): MessageInitShape<typeof MetadataMatcherSchema> & object {
  return jwtValueMatcher(path, stringOrListMatcher(matcher));
}

/** Matches a claim of the token that `jwt_authn` has left in dynamic metadata. */
export function jwtValueMatcher(
  path: readonly string[],
  value: ValueInit,
): MessageInitShape<typeof MetadataMatcherSchema> & object {
  return {
    filter: JWT_FILTER,
    path: [JWT_PAYLOAD, ...path].map((key) => ({ segment: { case: 'key' as const, value: key } })),
    value,
  };
}

function stringOrListMatcher(matcher: StringInit): ValueInit {
  const string: ValueInit = { matchPattern: { case: 'stringMatch', value: matcher } };
  const list: ValueInit = {
    matchPattern: { case: 'listMatch', value: { matchPattern: { case: 'oneOf', value: string } } },
  };
  return { matchPattern: { case: 'orMatch', value: { valueMatchers: [list, string] } } };
}
