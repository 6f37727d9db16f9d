import {
  any,
  array,
  boolean,
  enumOf,
  type Infer,
  integer,
  map,
  object,
  required,
  string,
  struct,
} from '../../schema/index.ts';

const endpoint = object({
  addresses: required(array(string())),
  conditions: object({ ready: boolean(), serving: boolean(), terminating: boolean() }),
  hostname: string(),
  nodeName: string(),
  targetRef: struct(),
  zone: string(),
  deprecatedTopology: map(string()),
  /** discovery.k8s.io/v1beta1 only. */
  topology: map(string()),
  hints: any(),
});
export type SliceEndpoint = Infer<typeof endpoint>;

/** The body of an EndpointSlice object, which has no spec. */
export const endpointSliceSchema = object({
  addressType: required(enumOf('IPv4', 'IPv6', 'FQDN')),
  endpoints: array(endpoint),
  ports: array(
    object({
      name: string(),
      port: integer(0, 65535),
      protocol: enumOf('TCP', 'UDP', 'SCTP'),
      appProtocol: string(),
    }),
  ),
});
export type EndpointSliceSpec = Infer<typeof endpointSliceSchema>;
