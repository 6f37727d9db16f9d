import { array, enumOf, type Infer, integer, object, required, string, struct } from '../../schema/index.ts';

const address = object({
  ip: required(string()),
  hostname: string(),
  nodeName: string(),
  targetRef: struct(),
});
export type EndpointAddress = Infer<typeof address>;

const subset = object({
  addresses: array(address),
  notReadyAddresses: array(address),
  ports: array(
    object({
      name: string(),
      port: required(integer(1, 65535)),
      protocol: enumOf('TCP', 'UDP', 'SCTP'),
      appProtocol: string(),
    }),
  ),
});
export type EndpointSubset = Infer<typeof subset>;

/** The body of an Endpoints object, which has no spec. */
export const endpointsSchema = object({ subsets: array(subset) });
export type EndpointsSpec = Infer<typeof endpointsSchema>;
