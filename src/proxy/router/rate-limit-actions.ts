import {
  type RateLimit_Action,
  type RateLimit_Action_MetaData,
  RateLimit_Action_MetaData_Source,
  type RateLimit_Action_RemoteAddressMatch,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { MetadataKey } from '../../api/gen/envoy/type/metadata/v3/metadata_pb.ts';
import { wireForm } from '../../base/bytes.ts';
import { cidrSet, maskAddress } from '../../base/cidr.ts';
import { messageOf } from '../../base/errors.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { ipFamily } from '../config/values.ts';
import { compileFormat } from '../observe/format/format.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import { headerTest, parseQuery, queryTest } from './header-match.ts';
import { parameterOf } from './query.ts';

export type RateLimitEntry = readonly [key: string, value: string];

/** Makes one entry; `skip` for none, undefined if the rule as a whole is not about the request. */
export type RateLimitAction = (
  headers: Headers,
  info: StreamInfo,
  localCluster: string,
) => RateLimitEntry | 'skip' | undefined;

/** Compiles one entry of `RateLimit.actions`. */
export function rateLimitAction(
  { actionSpecifier: specifier }: RateLimit_Action,
  errors: ConfigErrors,
): RateLimitAction {
  switch (specifier.case) {
    case 'sourceCluster':
      return (_headers, _info, localCluster) => ['source_cluster', wireForm(localCluster)];
    case 'destinationCluster':
      return (_headers, info) => ['destination_cluster', wireForm(info.upstreamCluster)];
    case 'requestHeaders': {
      const { headerName, descriptorKey, skipIfAbsent } = specifier.value;
      if (headerName === '') errors.add('request_headers.header_name', 'must not be empty');
      if (descriptorKey === '') errors.add('request_headers.descriptor_key', 'must not be empty');
      const name = headerName.toLowerCase() === 'host' ? ':authority' : headerName.toLowerCase();
      return (headers) => {
        const value = headers.get(name);
        return value === undefined ? skipped(skipIfAbsent) : [descriptorKey, value];
      };
    }
    case 'queryParameters': {
      const { queryParameterName, descriptorKey, skipIfAbsent } = specifier.value;
      const at = errors.at('query_parameters');
      if (queryParameterName === '') at.add('query_parameter_name', 'must not be empty');
      if (descriptorKey === '') at.add('descriptor_key', 'must not be empty');
      return (headers) => {
        const value = parameterOf(headers.path, queryParameterName);
        return value === undefined ? skipped(skipIfAbsent) : [descriptorKey, value];
      };
    }
    case 'remoteAddress':
      return (_headers, { remoteAddress: { address, family } }) =>
        family === 0 ? undefined : ['remote_address', address];
    case 'maskedRemoteAddress': {
      const { v4PrefixMaskLen = 32, v6PrefixMaskLen = 128 } = specifier.value;
      if (v4PrefixMaskLen > 32) errors.add('masked_remote_address.v4_prefix_mask_len', 'must be at most 32');
      if (v6PrefixMaskLen > 128) errors.add('masked_remote_address.v6_prefix_mask_len', 'must be at most 128');
      return (_headers, { remoteAddress: { address } }) => {
        const family = ipFamily(address);
        if (family === undefined) return undefined;
        const length = family === 4 ? v4PrefixMaskLen : v6PrefixMaskLen;
        return ['masked_remote_address', `${maskAddress(address, length)}/${length}`];
      };
    }
    case 'remoteAddressMatch':
      return addressMatch(specifier.value, errors.at('remote_address_match'));
    case 'genericKey': {
      const { descriptorKey, descriptorValue } = specifier.value;
      if (descriptorValue === '') errors.add('generic_key.descriptor_value', 'must not be empty');
      const entry: RateLimitEntry = [descriptorKey || 'generic_key', wireForm(descriptorValue)];
      return () => entry;
    }
    case 'headerValueMatch': {
      const { headers: matchers, expectMatch = true, descriptorKey, descriptorValue } = specifier.value;
      const at = errors.at('header_value_match');
      if (descriptorValue === '') at.add('descriptor_value', 'must not be empty');
      if (matchers.length === 0) at.add('headers', 'must not be empty');
      const tests = matchers.map((matcher, i) => headerTest(matcher, at.at('headers').at(i)));
      const entry: RateLimitEntry = [descriptorKey || 'header_match', wireForm(descriptorValue)];
      return (headers) => (tests.every((test) => test(headers)) === expectMatch ? entry : undefined);
    }
    case 'queryParameterValueMatch': {
      const { queryParameters, expectMatch = true, descriptorKey, descriptorValue } = specifier.value;
      const at = errors.at('query_parameter_value_match');
      if (descriptorValue === '') at.add('descriptor_value', 'must not be empty');
      if (queryParameters.length === 0) at.add('query_parameters', 'must not be empty');
      const tests = queryParameters.map((matcher, i) => queryTest(matcher, at.at('query_parameters').at(i)));
      const entry: RateLimitEntry = [descriptorKey || 'query_match', wireForm(descriptorValue)];
      return (headers) => {
        const parameters = parseQuery(headers.path);
        return tests.every((test) => test(parameters)) === expectMatch ? entry : undefined;
      };
    }
    case 'dynamicMetadata':
      return metadataAction(
        { ...specifier.value, source: RateLimit_Action_MetaData_Source.DYNAMIC, skipIfAbsent: false },
        errors.at('dynamic_metadata'),
      );
    case 'metadata':
      return metadataAction(specifier.value, errors.at('metadata'));
    default:
      errors.add(specifier.case ?? 'action_specifier', 'is not supported');
      return () => undefined;
  }
}

function addressMatch(
  { descriptorKey, descriptorValue, defaultValue, addressMatcher }: RateLimit_Action_RemoteAddressMatch,
  errors: ConfigErrors,
): RateLimitAction {
  if (descriptorValue === '') errors.add('descriptor_value', 'must not be empty');
  if (addressMatcher === undefined) errors.add('address_matcher', 'is needed');
  const { ranges = [], invertMatch = false } = addressMatcher ?? {};
  const key = descriptorKey || 'remote_address_match';
  try {
    const set = cidrSet(
      ranges.map(({ addressPrefix, prefixLen = 0 }) => ({ address: addressPrefix, length: prefixLen })),
    );
    const format = compileFormat(descriptorValue);
    return (_headers, info) => {
      if (set.contains(info.remoteAddress.address) === invertMatch) return undefined;
      const text = format.render(info, '') || defaultValue;
      return text === '' ? undefined : [key, wireForm(text)];
    };
  } catch (error) {
    errors.add('', messageOf(error));
    return () => undefined;
  }
}

function skipped(skip: boolean): 'skip' | undefined {
  return skip ? 'skip' : undefined;
}

type MetadataFields = Pick<
  RateLimit_Action_MetaData,
  'descriptorKey' | 'metadataKey' | 'defaultValue' | 'source' | 'skipIfAbsent'
>;

function metadataAction(fields: MetadataFields, errors: ConfigErrors): RateLimitAction {
  const { descriptorKey, metadataKey, defaultValue, source, skipIfAbsent } = fields;
  if (descriptorKey === '') errors.add('descriptor_key', 'must not be empty');
  if (metadataKey === undefined) errors.add('metadata_key', 'is needed');
  const read = metadataKey === undefined ? () => undefined : metadataReader(metadataKey);
  const ofRoute = source === RateLimit_Action_MetaData_Source.ROUTE_ENTRY;
  return (_headers, info) => {
    const value = read(ofRoute ? info.routeMetadata : info.dynamicMetadata);
    const text = typeof value === 'string' && value !== '' ? value : defaultValue;
    return text === '' ? skipped(skipIfAbsent) : [descriptorKey, wireForm(text)];
  };
}

/** Reads one value of metadata. */
export function metadataReader({ key, path }: MetadataKey): (metadata: StreamInfo['routeMetadata']) => unknown {
  const keys = path.map(({ segment }) => segment.value ?? '');
  return (metadata) => {
    let value: unknown = metadata?.get(key);
    for (const name of keys) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
      value = (value as Record<string, unknown>)[name];
    }
    return value;
  };
}
