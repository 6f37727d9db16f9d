import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type Permission,
  PermissionSchema,
  type Principal,
  PrincipalSchema,
} from '../../api/gen/envoy/config/rbac/v3/rbac_pb.ts';
import { UriTemplateMatchConfigSchema } from '../../api/gen/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.ts';
import type { MetadataMatcherSchema } from '../../api/gen/envoy/type/matcher/v3/metadata_pb.ts';
import type { ValueMatcherSchema } from '../../api/gen/envoy/type/matcher/v3/value_pb.ts';
import { SPIFFE_SCHEME } from '../../base/spiffe.ts';
import { jwtValueMatcher } from '../filters/jwt-claims.ts';
import { extension } from '../proto/any.ts';
import { cidrOf, exact, prefixed, regex } from '../proto/values.ts';
import { headerMatcher, type StringInit, valueMatcher, valueMatcherAfter } from './matchers.ts';

type PermissionInit = MessageInitShape<typeof PermissionSchema>['rule'];
type PrincipalInit = MessageInitShape<typeof PrincipalSchema>['identifier'];
type ValueInit = MessageInitShape<typeof ValueMatcherSchema> & object;
type MetadataInit = MessageInitShape<typeof MetadataMatcherSchema> & object;

/** What one value, or for some conditions all of them, is in Envoy's terms; undefined if it makes no sense there. */
export interface Condition<T> {
  /** Only known once a request's headers are read. */
  readonly httpOnly: boolean;
  /** One for each value; or for all values together. */
  readonly one?: (value: string) => T | undefined;
  readonly all?: (values: readonly string[]) => T | undefined;
}

export const permission = (rule: PermissionInit): Permission => create(PermissionSchema, { rule: rule! });
export const principal = (identifier: PrincipalInit): Principal => create(PrincipalSchema, { identifier: identifier! });

const MATCH_ONE = '{*}';
const MATCH_ANY = '{**}';

const header = (name: string, ignoreCase: boolean): Condition<Permission> => ({
  httpOnly: true,
  one: (value) => permission({ case: 'header', value: headerMatcher(name, value, ignoreCase) }),
});

/** Conditions on what is asked for. */
export const PERMISSIONS = {
  hosts: header(':authority', true),
  methods: header(':method', false),
  paths: {
    httpOnly: true,
    one: (value: string) =>
      value.includes(MATCH_ONE) || value.includes(MATCH_ANY)
        ? permission({
            case: 'uriTemplate',
            value: extension('uri-template', UriTemplateMatchConfigSchema, {
              pathTemplate: value.replaceAll(MATCH_ANY, '**').replaceAll(MATCH_ONE, '*'),
            }),
          })
        : permission({ case: 'urlPath', value: { rule: { case: 'path', value: valueMatcher(value) } } }),
  },
  ports: {
    httpOnly: false,
    one: (value: string) => {
      const port = /^\d+$/.test(value) ? Number(value) : Number.NaN;
      return port <= 65_535 ? permission({ case: 'destinationPort', value: port }) : undefined;
    },
  },
  destinationIps: {
    httpOnly: false,
    one: (value: string) => {
      const cidr = cidrOf(value);
      return cidr && permission({ case: 'destinationIp', value: cidr });
    },
  },
  serverNames: {
    httpOnly: false,
    one: (value: string) => permission({ case: 'requestedServerName', value: valueMatcher(value) }),
  },
} as const satisfies Record<string, Condition<Permission>>;

/** `experimental.envoy.filters.NAME[KEY]`: metadata that a filter left. */
export function filterMetadata(key: string): Condition<Permission> {
  const match = /^experimental\.([^[]*)\[(.*)\]$/s.exec(key);
  return {
    httpOnly: false,
    all: (values) => {
      if (match === null) return undefined;
      const matchers = values.map((value): ValueInit => {
        const list = value.startsWith('[') && value.endsWith(']');
        return list ? listOf(stringValue(valueMatcher(value.slice(1, -1)))) : stringValue(valueMatcher(value));
      });
      const path = [{ segment: { case: 'key' as const, value: match[2]! } }];
      return permission({ case: 'metadata', value: { filter: match[1]!, path, value: anyOf(matchers) } });
    },
  };
}

/** Conditions on who asks. */
export const PRINCIPALS = {
  principals: authenticated((value) => valueMatcherAfter(SPIFFE_SCHEME, value)),
  namespaces: authenticated((value) => regex(`.*/ns/${value.replaceAll('*', '.*')}/.*`)),
  trustDomains: authenticated(trustDomain),
  ipBlocks: {
    httpOnly: false,
    one: (value: string) => {
      const cidr = cidrOf(value);
      return cidr && principal({ case: 'directRemoteIp', value: cidr });
    },
  },
  remoteIpBlocks: {
    httpOnly: false,
    one: (value: string) => {
      const cidr = cidrOf(value);
      return cidr && principal({ case: 'remoteIp', value: cidr });
    },
  },
  requestPrincipals: { httpOnly: true, all: requestPrincipals },
  audiences: claim(['aud']),
  presenters: claim(['azp']),
} as const satisfies Record<string, Condition<Principal>>;

function authenticated(match: (value: string) => StringInit): Condition<Principal> {
  return {
    httpOnly: false,
    one: (value) => principal({ case: 'authenticated', value: { principalName: match(value) } }),
  };
}

function trustDomain(value: string): StringInit {
  if (value === '*') return prefixed(SPIFFE_SCHEME);
  if (!value.includes('*')) return prefixed(`${SPIFFE_SCHEME}${value}/`);
  return regex(`${SPIFFE_SCHEME}${quote(value).replaceAll('\\*', '[^/]*')}/.*`);
}

function quote(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** `NAME` or `NAMESPACE/NAME`, in a policy of `namespace`. */
export function serviceAccounts(namespace: string): Condition<Principal> {
  return authenticated((value) => {
    const slash = value.indexOf('/');
    const [owner, name] = slash === -1 ? [namespace, value] : [value.slice(0, slash), value.slice(slash + 1)];
    return regex(`${SPIFFE_SCHEME}.+/ns/${owner}/(.+/|)sa/${name}(/.+)?`);
  });
}

/** A header of the request, by its value, a prefix or a suffix. */
export function requestHeader(name: string): Condition<Principal> {
  return { httpOnly: true, one: (value) => principal({ case: 'header', value: headerMatcher(name, value) }) };
}

/** A claim of the request's token: text, or a list in which one item fits. */
export function claim(path: readonly string[]): Condition<Principal> {
  return {
    httpOnly: true,
    all: (values) => {
      const value = anyOf(values.map((text) => stringValue(valueMatcher(text))));
      return metadata(jwtValueMatcher(path, anyOf([listOf(value), value])));
    },
  };
}

/** `ISSUER/SUBJECT` of a token. The issuer may be a URL: the last slash counts. */
function requestPrincipals(values: readonly string[]): Principal | undefined {
  const each = values.map((value) => {
    const { issuer, subject } = issuerAndSubject(value);
    return principal({
      case: 'andIds',
      value: {
        ids: [
          metadata(jwtValueMatcher(['iss'], stringValue(issuer))),
          metadata(jwtValueMatcher(['sub'], stringValue(subject))),
        ],
      },
    });
  });
  return each.length === 1 ? each[0] : principal({ case: 'orIds', value: { ids: each } });
}

const ANYTHING: StringInit = regex('.+');

function issuerAndSubject(value: string): { readonly issuer: StringInit; readonly subject: StringInit } {
  const slash = value.lastIndexOf('/');
  const found = slash !== -1;
  const [issuer, subject] = found ? [value.slice(0, slash), value.slice(slash + 1)] : [value, ''];
  if (value === '*') return { issuer: ANYTHING, subject: ANYTHING };
  if (value.startsWith('*')) {
    return found
      ? { issuer: valueMatcher(issuer), subject: exact(subject) }
      : { issuer: ANYTHING, subject: valueMatcher(value) };
  }
  if (value.endsWith('*')) {
    return found
      ? { issuer: exact(issuer), subject: valueMatcher(subject) }
      : { issuer: valueMatcher(value), subject: ANYTHING };
  }
  return { issuer: exact(issuer), subject: exact(subject) };
}

function metadata(value: MetadataInit): Principal {
  return principal({ case: 'metadata', value });
}

function stringValue(value: StringInit): ValueInit {
  return { matchPattern: { case: 'stringMatch', value } };
}

function listOf(value: ValueInit): ValueInit {
  return { matchPattern: { case: 'listMatch', value: { matchPattern: { case: 'oneOf', value } } } };
}

function anyOf(matchers: ValueInit[]): ValueInit {
  if (matchers.length === 1) return matchers[0]!;
  return { matchPattern: { case: 'orMatch', value: { valueMatchers: matchers } } };
}
