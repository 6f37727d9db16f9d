import {
  type RateLimit,
  type RateLimit_Action,
  type RateLimit_Action_MetaData,
  RateLimit_Action_MetaData_Source,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { MetadataKey } from '../../api/gen/envoy/type/metadata/v3/metadata_pb.ts';
import { RateLimitUnit } from '../../api/gen/envoy/type/v3/ratelimit_unit_pb.ts';
import { wireForm } from '../../base/bytes.ts';
import { maskAddress } from '../../base/cidr.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { ipFamily } from '../config/values.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import { headerTest, parseQuery, queryTest } from './header-match.ts';

/** What a request counts as: keys and values, such as those of a service that limits rates. Values are in wire form. */
export interface RateLimitDescriptor {
  readonly entries: readonly (readonly [key: string, value: string])[];
  /** A limit that the request brings itself. */
  readonly limit: { readonly requestsPerUnit: number; readonly unit: RateLimitUnit } | undefined;
}

/** `envoy.config.route.v3.RateLimit`: one way to count requests. */
export interface RateLimitRule {
  /** Filters of this stage count by the rule. */
  readonly stage: number;
  readonly disableKey: string;
  /** Undefined if the rule is not about this request. */
  descriptor(headers: Headers, info: StreamInfo, localCluster: string): RateLimitDescriptor | undefined;
}

type Entry = readonly [key: string, value: string];

/** Makes one entry; `skip` for none, undefined if the rule as a whole is not about the request. */
type Action = (headers: Headers, info: StreamInfo, localCluster: string) => Entry | 'skip' | undefined;

const MAX_STAGE = 10;

export function rateLimitRules(protos: readonly RateLimit[], errors: ConfigErrors): readonly RateLimitRule[] {
  return protos.map((proto, i) => rule(proto, errors.at(i)));
}

function rule(proto: RateLimit, errors: ConfigErrors): RateLimitRule {
  const { stage = 0, disableKey, limit } = proto;
  if (stage > MAX_STAGE) errors.add('stage', `must be at most ${MAX_STAGE}`);
  if (proto.actions.length === 0) errors.add('actions', 'must not be empty');
  const actions = proto.actions.map((one, i) => action(one, errors.at('actions').at(i)));
  const override = limit?.overrideSpecifier.case === 'dynamicMetadata' ? limit.overrideSpecifier.value : undefined;
  const readLimit = override?.metadataKey && metadataReader(override.metadataKey);
  if (limit !== undefined && readLimit === undefined) errors.add('limit.dynamic_metadata', 'is needed');
  return {
    stage,
    disableKey,
    descriptor(headers, info, localCluster) {
      const entries: Entry[] = [];
      for (const make of actions) {
        const entry = make(headers, info, localCluster);
        if (entry === undefined) return undefined;
        if (entry !== 'skip') entries.push(entry);
      }
      return { entries, limit: readLimit && limitOf(readLimit(info.dynamicMetadata)) };
    },
  };
}

function limitOf(value: unknown): RateLimitDescriptor['limit'] {
  if (typeof value !== 'object' || value === null) return undefined;
  const { requests_per_unit: requests, unit } = value as Record<string, unknown>;
  if (typeof requests !== 'number' || typeof unit !== 'string' || !Object.hasOwn(RateLimitUnit, unit)) return undefined;
  return { requestsPerUnit: Math.trunc(requests), unit: RateLimitUnit[unit as keyof typeof RateLimitUnit] };
}

function action({ actionSpecifier: specifier }: RateLimit_Action, errors: ConfigErrors): Action {
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
    case 'genericKey': {
      const { descriptorKey, descriptorValue } = specifier.value;
      if (descriptorValue === '') errors.add('generic_key.descriptor_value', 'must not be empty');
      const entry: Entry = [descriptorKey || 'generic_key', wireForm(descriptorValue)];
      return () => entry;
    }
    case 'headerValueMatch': {
      const { headers: matchers, expectMatch = true, descriptorKey, descriptorValue } = specifier.value;
      const at = errors.at('header_value_match');
      if (descriptorValue === '') at.add('descriptor_value', 'must not be empty');
      if (matchers.length === 0) at.add('headers', 'must not be empty');
      const tests = matchers.map((matcher, i) => headerTest(matcher, at.at('headers').at(i)));
      const entry: Entry = [descriptorKey || 'header_match', wireForm(descriptorValue)];
      return (headers) => (tests.every((test) => test(headers)) === expectMatch ? entry : undefined);
    }
    case 'queryParameterValueMatch': {
      const { queryParameters, expectMatch = true, descriptorKey, descriptorValue } = specifier.value;
      const at = errors.at('query_parameter_value_match');
      if (descriptorValue === '') at.add('descriptor_value', 'must not be empty');
      if (queryParameters.length === 0) at.add('query_parameters', 'must not be empty');
      const tests = queryParameters.map((matcher, i) => queryTest(matcher, at.at('query_parameters').at(i)));
      const entry: Entry = [descriptorKey || 'query_match', wireForm(descriptorValue)];
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

function skipped(skip: boolean): 'skip' | undefined {
  return skip ? 'skip' : undefined;
}

type MetadataFields = Pick<
  RateLimit_Action_MetaData,
  'descriptorKey' | 'metadataKey' | 'defaultValue' | 'source' | 'skipIfAbsent'
>;

function metadataAction(fields: MetadataFields, errors: ConfigErrors): Action {
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

function metadataReader({ key, path }: MetadataKey): (metadata: StreamInfo['routeMetadata']) => unknown {
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
