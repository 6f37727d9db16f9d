import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RouteAction_HashPolicySchema } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { Destination } from '../../config/kinds/shared/destination.ts';
import type { ConsistentHash, TrafficPolicy } from '../../config/kinds/shared/traffic-policy.ts';
import type { DestinationRule } from '../index/destination-rules.ts';
import { optionalDuration } from '../proto/values.ts';
import { subsetOf } from '../traffic-policy.ts';

/** By what a DestinationRule hashes requests for a destination, the narrowest word first: subset and port, subset, port, rule. */
export function hashOfDestination(
  rule: DestinationRule | undefined,
  destination: Destination,
): ConsistentHash | undefined {
  const general = rule?.spec.trafficPolicy;
  const subset = subsetOf(rule, destination.subset ?? '')?.trafficPolicy;
  const port = destination.port?.number;
  return (
    hashOfPort(subset, port) ??
    subset?.loadBalancer?.consistentHash ??
    hashOfPort(general, port) ??
    general?.loadBalancer?.consistentHash
  );
}

function hashOfPort(policy: TrafficPolicy | undefined, port: number | undefined): ConsistentHash | undefined {
  if (port === undefined) return undefined;
  return policy?.portLevelSettings?.find((settings) => settings.port?.number === port)?.loadBalancer?.consistentHash;
}

/** The same for a service to which no VirtualService routes. */
export function hashOfService(rule: DestinationRule | undefined, port: number): ConsistentHash | undefined {
  const policy = rule?.spec.trafficPolicy;
  return hashOfPort(policy, port) ?? policy?.loadBalancer?.consistentHash;
}

/** The hash as a route applies it; undefined if it does not say by what. */
export function hashPolicy(
  hash: ConsistentHash | undefined,
): MessageInitShape<typeof RouteAction_HashPolicySchema> | undefined {
  if (hash === undefined) return undefined;
  if (hash.httpHeaderName !== undefined) {
    return { policySpecifier: { case: 'header', value: { headerName: hash.httpHeaderName } } };
  }
  if (hash.httpCookie !== undefined) {
    const { name, path = '', ttl, attributes = [] } = hash.httpCookie;
    return {
      policySpecifier: {
        case: 'cookie',
        value: {
          name,
          path,
          attributes: attributes.map((a) => ({ name: a.name ?? '', value: a.value ?? '' })),
          ...(ttl === undefined ? {} : { ttl: optionalDuration(ttl)! }),
        },
      },
    };
  }
  if (hash.useSourceIp !== undefined) {
    return { policySpecifier: { case: 'connectionProperties', value: { sourceIp: hash.useSourceIp } } };
  }
  if (hash.httpQueryParameterName !== undefined) {
    return { policySpecifier: { case: 'queryParameter', value: { name: hash.httpQueryParameterName } } };
  }
  return undefined;
}
