import type { WorkloadGroupSpec } from '../../config/kinds/workload-group/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { ProxyNode } from '../../translate/node.ts';

/** Annotations that tell an entry which the control plane has made (istio.io/api annotation names). */
export const GROUP_ANNOTATION = 'istio.io/autoRegistrationGroup';
export const CONTROLLER_ANNOTATION = 'istio.io/workloadController';
export const CONNECTED_ANNOTATION = 'istio.io/connectedAt';
export const DISCONNECTED_ANNOTATION = 'istio.io/disconnectedAt';
export const HEALTH_CHECKS_ANNOTATION = 'proxy.istio.io/health-checks-enabled';

/** What an agent last said of the program beside it. */
export interface Health {
  readonly healthy: boolean;
  /** Why it is not. */
  readonly message: string;
  /** Milliseconds since 1970 at which it became so. */
  readonly since: number;
}

export interface EntryState {
  /** Of the control plane that holds the connection. */
  readonly controller: string;
  readonly connectedAt: number;
  /** Undefined while it is connected. */
  readonly disconnectedAt: number | undefined;
  /** Undefined before the agent has said anything. */
  readonly health: Health | undefined;
}

const MAX_NAME = 253;

/** The name that istiod gives: the group's, the address, and the network where there is one. */
export function entryName(group: string, node: Pick<ProxyNode, 'addresses' | 'network'>): string {
  const parts = [group, node.addresses[0], node.network].filter((part) => part);
  const name = parts.join('-').replaceAll(':', '-').toLowerCase();
  // The end tells entries of a group apart.
  return name.length <= MAX_NAME ? name : name.slice(name.length - MAX_NAME).replace(/^[-.]+/, '');
}

/** The WorkloadEntry of a proxy that connected as a member of a group, as a document. */
export function registeredEntry(
  group: ConfigObject<WorkloadGroupSpec>,
  node: ProxyNode,
  state: EntryState,
): Record<string, unknown> {
  const { metadata, spec } = group;
  const { template = {} } = spec;
  const labels = { ...spec.metadata?.labels, ...node.labels };
  const { locality, network } = node;
  const place = [locality.region, locality.zone, locality.subzone].filter((part) => part).join('/');
  const time = (ms: number) => new Date(ms).toISOString();
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: {
      name: entryName(metadata.name, node),
      namespace: metadata.namespace,
      labels,
      annotations: {
        ...spec.metadata?.annotations,
        [GROUP_ANNOTATION]: metadata.name,
        [CONTROLLER_ANNOTATION]: state.controller,
        [CONNECTED_ANNOTATION]: time(state.connectedAt),
        ...(state.disconnectedAt !== undefined && { [DISCONNECTED_ANNOTATION]: time(state.disconnectedAt) }),
        ...(spec.probe && { [HEALTH_CHECKS_ANNOTATION]: 'true' }),
      },
      ownerReferences: [
        {
          apiVersion: group.apiVersion,
          kind: 'WorkloadGroup',
          name: metadata.name,
          uid: metadata.uid ?? '',
          controller: true,
        },
      ],
    },
    spec: {
      ...template,
      address: node.addresses[0],
      labels: { ...template.labels, ...labels },
      ...((network || template.network) && { network: network || template.network }),
      ...((place || template.locality) && { locality: place || template.locality }),
      serviceAccount: template.serviceAccount || node.serviceAccount,
    },
    ...(state.health && { status: { conditions: [condition(state.health)] } }),
  };
}

function condition({ healthy, message, since }: Health): Record<string, unknown> {
  return {
    type: 'Healthy',
    status: healthy ? 'True' : 'False',
    lastTransitionTime: new Date(since).toISOString(),
    ...(message !== '' && { message }),
  };
}
