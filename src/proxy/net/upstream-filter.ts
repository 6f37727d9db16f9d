import type { Filter as FilterProto } from '../../api/gen/envoy/config/cluster/v3/filter_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { Connection } from './connection.ts';
import type { NetworkFilter } from './network-filter.ts';

/** Makes a filter of each connection of a cluster (`Cluster.filters`). */
export interface UpstreamFilterFactory {
  /** The connection is established. Undefined if the filter has nothing to do for it: it then costs nothing more. */
  create(connection: Connection): NetworkFilter | undefined;
}

/** Compiles `Cluster.filters`; what is wrong goes to the errors. */
export type UpstreamFilterBuilder = (
  protos: readonly FilterProto[],
  errors: ConfigErrors,
) => readonly UpstreamFilterFactory[];
