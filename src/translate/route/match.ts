import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type HeaderMatcherSchema,
  type RouteMatch,
  RouteMatchSchema,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { MetadataMatcherSchema } from '../../api/gen/envoy/type/matcher/v3/metadata_pb.ts';
import type { StringMatch } from '../../config/kinds/shared/http-policy.ts';
import type { HttpMatch } from '../../config/kinds/virtual-service/schema.ts';
import { jwtClaimMatcher, jwtValueMatcher } from '../filters/jwt-claims.ts';
import type { VirtualService } from '../index/virtual-service.ts';
import { stringMatcher } from '../proto/values.ts';

/** The condition of a route that takes every request. */
export function matchAll(): RouteMatch {
  return create(RouteMatchSchema, { pathSpecifier: { case: 'prefix', value: '/' } });
}

/** One of a rule's conditions (VirtualService `http[].match[]`). */
export function routeMatch(match: HttpMatch | undefined, semantics: VirtualService['semantics']): RouteMatch {
  if (match === undefined) return matchAll();
  const headers: MessageInitShape<typeof HeaderMatcherSchema>[] = [];
  const dynamicMetadata: MessageInitShape<typeof MetadataMatcherSchema>[] = [];
  for (const [name, value] of Object.entries(match.headers ?? {})) {
    const claim = claimMatcher(name, value);
    if (claim !== undefined) dynamicMetadata.push(claim);
    else headers.push(headerMatcher(name, value));
  }
  for (const [name, value] of Object.entries(match.withoutHeaders ?? {})) {
    const claim = claimMatcher(name, value);
    if (claim !== undefined) dynamicMetadata.push({ ...claim, invert: true });
    else {
      // Without the second setting, a header that is missing would not match the opposite either.
      const missingIsEmpty = isPresence(value) ? {} : { treatMissingHeaderAsEmpty: true };
      headers.push({ ...headerMatcher(name, value), invertMatch: true, ...missingIsEmpty });
    }
  }
  headers.sort((a, b) => (a.name! < b.name! ? -1 : a.name! > b.name! ? 1 : 0));
  if (match.method !== undefined) headers.push(headerMatcher(':method', match.method));
  if (match.authority !== undefined) headers.push(headerMatcher(':authority', match.authority));
  if (match.scheme !== undefined) headers.push(headerMatcher(':scheme', match.scheme));
  return create(RouteMatchSchema, {
    pathSpecifier: pathOf(match.uri, semantics),
    caseSensitive: match.ignoreUriCase !== true,
    headers,
    dynamicMetadata,
    queryParameters: Object.entries(match.queryParams ?? {})
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => queryParameterMatcher(name, value)),
  });
}

function pathOf(
  uri: StringMatch | undefined,
  semantics: VirtualService['semantics'],
): MessageInitShape<typeof RouteMatchSchema>['pathSpecifier'] & object {
  if (uri?.exact !== undefined) return { case: 'path', value: uri.exact };
  if (uri?.regex !== undefined) return { case: 'safeRegex', value: { regex: uri.regex } };
  const prefix = uri?.prefix ?? '/';
  if (semantics === 'istio' || prefix === '/') return { case: 'prefix', value: prefix };
  return { case: 'pathSeparatedPrefix', value: prefix.replace(/\/$/, '') };
}

/** Whether a match only asks that there be a value: it says nothing, or `*` where a regular expression stands. */
function isPresence({ exact, prefix, regex }: StringMatch): boolean {
  return (exact === undefined && prefix === undefined && regex === undefined) || regex === '*';
}

function headerMatcher(name: string, match: StringMatch): MessageInitShape<typeof HeaderMatcherSchema> & object {
  if (isPresence(match)) return { name, headerMatchSpecifier: { case: 'presentMatch', value: true } };
  return { name, headerMatchSpecifier: { case: 'stringMatch', value: stringMatcher(match)! } };
}

function queryParameterMatcher(name: string, match: StringMatch) {
  return isPresence(match)
    ? { name, queryParameterMatchSpecifier: { case: 'presentMatch' as const, value: true } }
    : { name, queryParameterMatchSpecifier: { case: 'stringMatch' as const, value: stringMatcher(match)! } };
}

/** A header named `@request.auth.claims...` is a claim of the request's token. */
function claimMatcher(name: string, match: StringMatch) {
  const path = claimPath(name);
  if (path === undefined) return undefined;
  const matcher = stringMatcher(match);
  if (matcher !== undefined) return jwtClaimMatcher(path, matcher);
  return jwtValueMatcher(path, { matchPattern: { case: 'presentMatch', value: true } });
}

const CLAIMS = '@request.auth.claims';

/** `@request.auth.claims.group.id` or `@request.auth.claims[group][id]` as the path of the claim. */
function claimPath(name: string): string[] | undefined {
  if (!name.toLowerCase().startsWith(CLAIMS)) return undefined;
  const rest = name.slice(CLAIMS.length);
  if (rest.startsWith('.')) return rest.slice(1).split('.');
  if (rest.startsWith('[') && rest.endsWith(']')) return rest.slice(1, -1).split('][');
  return undefined;
}

/** Whether a condition takes every request: nothing after it is ever reached. */
export function isCatchAll(match: RouteMatch | undefined): boolean {
  if (match === undefined) return false;
  const { pathSpecifier: path } = match;
  const everything =
    (path.case === 'prefix' && path.value === '/') ||
    (path.case === 'pathSeparatedPrefix' && path.value === '/') ||
    (path.case === 'safeRegex' && path.value.regex === '.*');
  return (
    everything && match.headers.length === 0 && match.queryParameters.length === 0 && match.dynamicMetadata.length === 0
  );
}
