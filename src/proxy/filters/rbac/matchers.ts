import { fromBinary } from '@bufbuild/protobuf';
import type { CidrRange } from '../../../api/gen/envoy/config/core/v3/address_pb.ts';
import type { TypedExtensionConfig } from '../../../api/gen/envoy/config/core/v3/extension_pb.ts';
import type { Permission, Principal } from '../../../api/gen/envoy/config/rbac/v3/rbac_pb.ts';
import { UriTemplateMatchConfigSchema } from '../../../api/gen/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.ts';
import { UpstreamIpPortMatcherSchema } from '../../../api/gen/envoy/extensions/rbac/matchers/upstream_ip_port/v3/upstream_ip_port_matcher_pb.ts';
import type { FilterStateMatcher } from '../../../api/gen/envoy/type/matcher/v3/filter_state_pb.ts';
import type { PathMatcher } from '../../../api/gen/envoy/type/matcher/v3/path_pb.ts';
import { typeNameOf } from '../../../api/registry.ts';
import { wireForm } from '../../../base/bytes.ts';
import { cidrSet } from '../../../base/cidr.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { Connection, SocketAddress } from '../../net/connection.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import { headerTest } from '../../router/header-match.ts';
import { metadataTest } from '../../router/metadata-match.ts';
import { stringTest } from '../../router/string-match.ts';
import { compileUriTemplate } from '../../router/uri-template.ts';

/** What a rule may look at: `headers` is undefined for a connection that no request is known of. */
export interface Subject {
  readonly connection: Connection;
  readonly headers: Headers | undefined;
  readonly info: StreamInfo;
}

export type Test = (subject: Subject) => boolean;

const never: Test = () => false;
const always: Test = () => true;

const any = (tests: readonly Test[]): Test => {
  if (tests.length === 1) return tests[0];
  return (subject) => {
    for (const test of tests) if (test(subject)) return true;
    return false;
  };
};

const all = (tests: readonly Test[]): Test => {
  if (tests.length === 1) return tests[0];
  return (subject) => {
    for (const test of tests) if (!test(subject)) return false;
    return true;
  };
};

const not =
  (test: Test): Test =>
  (subject) =>
    !test(subject);

/** One of the permissions holds. */
export function anyPermission(permissions: readonly Permission[], errors: ConfigErrors): Test {
  if (permissions.length === 0) errors.add('', 'must not be empty');
  return any(permissions.map((p, i) => permissionTest(p, errors.at(i))));
}

/** One of the principals is meant. */
export function anyPrincipal(principals: readonly Principal[], errors: ConfigErrors): Test {
  if (principals.length === 0) errors.add('', 'must not be empty');
  return any(principals.map((p, i) => principalTest(p, errors.at(i))));
}

function permissionTest({ rule }: Permission, errors: ConfigErrors): Test {
  switch (rule.case) {
    case 'any':
      return rule.value ? always : wrong(errors, 'any', 'must be true');
    case 'andRules':
      return all(members(rule.value.rules, permissionTest, errors.at('and_rules').at('rules')));
    case 'orRules':
      return any(members(rule.value.rules, permissionTest, errors.at('or_rules').at('rules')));
    case 'notRule':
      return not(permissionTest(rule.value, errors.at('not_rule')));
    case 'header':
      return headersTest(headerTest(rule.value, errors.at('header')));
    case 'urlPath':
      return pathTest(rule.value, errors.at('url_path'));
    case 'uriTemplate':
      return templateTest(rule.value, errors.at('uri_template'));
    case 'destinationIp':
      return addressTest(rule.value, ({ connection }) => connection.local, errors.at('destination_ip'));
    case 'destinationPort': {
      const port = rule.value;
      return ({ connection }) => connection.local.port === port;
    }
    case 'destinationPortRange':
      return portRangeTest(rule.value, errors.at('destination_port_range'));
    case 'metadata': {
      const test = metadataTest(rule.value, errors.at('metadata'));
      return ({ info }) => test(info.dynamicMetadata);
    }
    case 'requestedServerName': {
      const test = stringTest(rule.value, errors.at('requested_server_name'));
      return ({ connection }) => test(connection.requestedServerName || (connection.tls?.sni ?? ''));
    }
    case 'matcher':
      return upstreamTest(rule.value, errors.at('matcher'));
    default:
      return wrong(errors, '', 'a rule is needed');
  }
}

function principalTest({ identifier }: Principal, errors: ConfigErrors): Test {
  switch (identifier.case) {
    case 'any':
      return identifier.value ? always : wrong(errors, 'any', 'must be true');
    case 'andIds':
      return all(members(identifier.value.ids, principalTest, errors.at('and_ids').at('ids')));
    case 'orIds':
      return any(members(identifier.value.ids, principalTest, errors.at('or_ids').at('ids')));
    case 'notId':
      return not(principalTest(identifier.value, errors.at('not_id')));
    case 'authenticated': {
      const { principalName } = identifier.value;
      const at = errors.at('authenticated').at('principal_name');
      return authenticatedTest(principalName && stringTest(principalName, at));
    }
    case 'sourceIp':
      return addressTest(identifier.value, ({ connection }) => connection.remote, errors.at('source_ip'));
    case 'directRemoteIp':
      return addressTest(identifier.value, ({ connection }) => connection.directRemote, errors.at('direct_remote_ip'));
    case 'remoteIp':
      return addressTest(identifier.value, ({ info }) => info.remoteAddress, errors.at('remote_ip'));
    case 'header':
      return headersTest(headerTest(identifier.value, errors.at('header')));
    case 'urlPath':
      return pathTest(identifier.value, errors.at('url_path'));
    case 'metadata': {
      const test = metadataTest(identifier.value, errors.at('metadata'));
      return ({ info }) => test(info.dynamicMetadata);
    }
    case 'filterState':
      return filterStateTest(identifier.value, errors.at('filter_state'));
    default:
      return wrong(errors, '', 'an identifier is needed');
  }
}

function wrong(errors: ConfigErrors, path: string, message: string): Test {
  errors.add(path, message);
  return never;
}

function members<T>(list: readonly T[], test: (one: T, errors: ConfigErrors) => Test, errors: ConfigErrors): Test[] {
  if (list.length === 0) errors.add('', 'must not be empty');
  return list.map((one, i) => test(one, errors.at(i)));
}

function headersTest(test: (headers: Headers) => boolean): Test {
  return ({ headers }) => headers !== undefined && test(headers);
}

/** The path without query and fragment. */
function pathOf(headers: Headers | undefined): string | undefined {
  if (headers === undefined || headers.path === '') return undefined;
  const { path } = headers;
  const end = path.search(/[?#]/);
  return end < 0 ? path : path.slice(0, end);
}

function pathTest({ rule }: PathMatcher, errors: ConfigErrors): Test {
  if (rule.case === undefined) return wrong(errors, 'path', 'is needed');
  const test = stringTest(rule.value, errors.at('path'));
  return ({ headers }) => {
    const path = pathOf(headers);
    return path !== undefined && test(path);
  };
}

function templateTest(extension: TypedExtensionConfig, errors: ConfigErrors): Test {
  const any = extension.typedConfig;
  if (any === undefined || typeNameOf(any.typeUrl) !== UriTemplateMatchConfigSchema.typeName) {
    return wrong(errors, 'typed_config', `${any?.typeUrl ?? 'nothing'} is not supported`);
  }
  const { pathTemplate } = fromBinary(UriTemplateMatchConfigSchema, any.value);
  const template = compileUriTemplate(pathTemplate, errors.at('typed_config.path_template'));
  if (template === undefined) return never;
  return ({ headers }) => {
    const path = pathOf(headers);
    return path !== undefined && template.test(path);
  };
}

function rangesTest(ranges: readonly CidrRange[], errors: ConfigErrors): (address: string) => boolean {
  try {
    const set = cidrSet(ranges.map((r) => ({ address: r.addressPrefix, length: r.prefixLen ?? 0 })));
    return (address) => set.contains(address);
  } catch (error) {
    errors.add('', messageOf(error));
    return () => false;
  }
}

function addressTest(range: CidrRange, of: (subject: Subject) => SocketAddress, errors: ConfigErrors): Test {
  const contains = rangesTest([range], errors);
  return (subject) => contains(of(subject).address);
}

function portRangeTest({ start, end }: { start: number; end: number }, errors: ConfigErrors): Test {
  if (start < 0 || end > 65_536 || start >= end) {
    return wrong(errors, '', `${start} to ${end} is not a range of ports`);
  }
  return ({ connection: { local } }) => local.family !== 0 && local.port >= start && local.port < end;
}

/** URI SANs, DNS SANs, then the subject: one of them has to match. Without a test any TLS peer is meant. */
function authenticatedTest(test: ((name: string) => boolean) | undefined): Test {
  return ({ connection: { tls } }) => {
    if (tls === undefined) return false;
    if (test === undefined) return true;
    const { peer } = tls;
    const matches = (name: string) => test(wireForm(name));
    if (peer === undefined) return matches('');
    return peer.uriSans.some(matches) || peer.dnsSans.some(matches) || matches(peer.subject);
  };
}

function filterStateTest({ key, matcher }: FilterStateMatcher, errors: ConfigErrors): Test {
  if (key === '') errors.add('key', 'must not be empty');
  if (matcher.case !== 'stringMatch') return wrong(errors, '', 'string_match is needed');
  const test = stringTest(matcher.value, errors.at('string_match'));
  return ({ info }) => {
    const value = info.getFilterState(key);
    if (value === undefined) return false;
    return test(wireForm(typeof value === 'string' ? value : JSON.stringify(value)));
  };
}

/** Filter state in which a filter leaves the address that a request will be sent to. */
export const UPSTREAM_ADDRESS = 'envoy.stream.upstream_address';

/** `envoy.rbac.matchers.upstream_ip_port`: the address that a filter has resolved. Without one nothing matches. */
function upstreamTest(extension: TypedExtensionConfig, errors: ConfigErrors): Test {
  const any = extension.typedConfig;
  if (any === undefined || typeNameOf(any.typeUrl) !== UpstreamIpPortMatcherSchema.typeName) {
    return wrong(errors, 'typed_config', `${any?.typeUrl ?? 'nothing'} is not supported`);
  }
  const { upstreamIp, upstreamPortRange: ports } = fromBinary(UpstreamIpPortMatcherSchema, any.value);
  if (upstreamIp === undefined && ports === undefined) {
    return wrong(errors, 'typed_config', 'upstream_ip or upstream_port_range is needed');
  }
  const contains = upstreamIp && rangesTest([upstreamIp], errors.at('typed_config.upstream_ip'));
  return ({ info }) => {
    const address = info.getFilterState(UPSTREAM_ADDRESS) as SocketAddress | undefined;
    if (address === undefined || contains?.(address.address) === false) return false;
    return ports === undefined || (address.port >= ports.start && address.port < ports.end);
  };
}
