import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import { concat, lengthDelimited } from '../proto/wire.ts';
import { type VirtualHostSpec, virtualHostBytes, virtualHostMessage } from './virtual-host.ts';

/** A route configuration before it is encoded. */
export interface RouteTable {
  readonly name: string;
  readonly hosts: readonly VirtualHostSpec[];
  /** Whether the proxy has anything of that name; a table that it only still asks for is empty. */
  readonly known: boolean;
  /** Whether the port in the host header counts; it does not where all of a table is for one port. */
  readonly matchesPort: boolean;
}

/** A table that somebody asks for and nobody has routes for. */
export function emptyTable(name: string): RouteTable {
  return { name, hosts: [], known: false, matchesPort: false };
}

/** Number of `virtual_hosts` in envoy.config.route.v3.RouteConfiguration. */
const VIRTUAL_HOSTS_FIELD = 2;

/** Bodies of direct responses up to what validation lets pass; Envoy's own limit is 4 KiB. */
const MAX_DIRECT_RESPONSE_BODY = 1024 * 1024;

/** `RouteConfiguration` on the wire: hosts are encoded once and shared by the tables that have them. */
export function routeTableBytes(table: RouteTable): Uint8Array {
  return concat([
    toBinary(RouteConfigurationSchema, create(RouteConfigurationSchema, shellOf(table))),
    ...table.hosts.flatMap((host) => lengthDelimited(VIRTUAL_HOSTS_FIELD, virtualHostBytes(host))),
  ]);
}

/** The same as a message, for patches. */
export function routeTableMessage(table: RouteTable): RouteConfiguration {
  const message = create(RouteConfigurationSchema, shellOf(table));
  message.virtualHosts = table.hosts.map(virtualHostMessage);
  return message;
}

function shellOf({ name, known, matchesPort }: RouteTable): MessageInitShape<typeof RouteConfigurationSchema> {
  const shell = { name, validateClusters: false };
  return known
    ? { ...shell, ignorePortInHostMatching: !matchesPort, maxDirectResponseBodySizeBytes: MAX_DIRECT_RESPONSE_BODY }
    : shell;
}
