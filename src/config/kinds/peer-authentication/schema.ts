import { enumOf, type Infer, map, object } from '../../schema/index.ts';
import { workloadSelector } from '../shared/selector.ts';

const mutualTls = object({ mode: enumOf('UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT') });
export type MutualTls = Infer<typeof mutualTls>;

export const peerAuthenticationSchema = object({
  selector: workloadSelector,
  mtls: mutualTls,
  /** Keys are port numbers of the workload. */
  portLevelMtls: map(mutualTls, {
    key: (port) => (/^\d{1,10}$/.test(port) ? undefined : 'is not a port number'),
  }),
});
export type PeerAuthenticationSpec = Infer<typeof peerAuthenticationSchema>;
