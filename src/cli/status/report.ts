import type { ObjectState, StateResponse } from '../../config/control/api.ts';
import type { CertificatesResponse, MeshStatus, PodStatus } from '../../config/control/mesh-api.ts';
import { formatMessage } from '../../config/message.ts';
import { troubles } from '../certs.ts';
import { aboutProxy } from '../kubectl/convergence.ts';

/** Everything that `status` is made of, at one moment. */
export interface MeshState {
  readonly mesh: MeshStatus;
  /** Undefined while the control plane does not answer. */
  readonly configuration: StateResponse | undefined;
  /** Everything that is in force. */
  readonly objects: readonly ObjectState[];
  /** Undefined while they cannot be asked for. */
  readonly certificates?: CertificatesResponse;
}

/** Something that is not as it should be: what, and why. */
export interface Shortcoming {
  readonly object: string;
  readonly reason: string;
}

/** Kinds that say how many pods there are to be. */
const WITH_REPLICAS: ReadonlySet<string> = new Set(['Deployment', 'StatefulSet', 'ReplicaSet']);

/** What keeps a mesh from being ready; empty if it is. */
export function shortcomings({ mesh, configuration, objects, certificates }: MeshState): Shortcoming[] {
  const found: Shortcoming[] = [];
  const { state, lastEnd } = mesh.discovery;
  if (state !== 'Running') {
    found.push({ object: 'discovery', reason: lastEnd === undefined ? state : `${state}: ${lastEnd}` });
  }
  if (state === 'Running' && configuration === undefined && mesh.readyAfterMs !== undefined)
    found.push({ object: 'discovery', reason: 'it does not answer' });
  for (const pod of mesh.pods) {
    if (!isFine(pod)) found.push({ object: `pod ${pod.namespace}/${pod.name}`, reason: pod.message ?? pod.status });
  }
  for (const object of objects) if (WITH_REPLICAS.has(object.kind)) found.push(...missingPods(object, mesh.pods));
  // Nothing has failed so far, and not everything is there yet.
  if (found.length === 0 && mesh.readyAfterMs === undefined) found.push({ object: 'mesh', reason: 'it is starting' });
  // A pod that is not ready has more to say than that it has no certificate.
  if (found.length > 0 || certificates === undefined) return found;
  return troubles(certificates).map((reason) => ({ object: 'certificates', reason }));
}

function isFine({ ready, size, status }: PodStatus): boolean {
  return ready === size || status === 'Completed';
}

/** Pods of a workload that are not even there; those that are speak for themselves. */
function missingPods({ key, kind, raw }: ObjectState, pods: readonly PodStatus[]): Shortcoming[] {
  const [, namespace = '', name = ''] = key.split('/');
  const wanted = Number((raw.spec as { readonly replicas?: number } | undefined)?.replicas ?? 1);
  const there = pods.filter((pod) => pod.namespace === namespace && pod.owner === `${kind}/${name}`).length;
  if (there >= wanted) return [];
  return [{ object: `${kind.toLowerCase()} ${namespace}/${name}`, reason: `${there} of ${wanted} pods are there` }];
}

/** A finding of the analysis, as far as it says something of secrets. */
interface OfSecret {
  readonly code: string;
  readonly text: string;
  readonly resource: { readonly id: string; readonly name: string };
}

/** The state without the waits of proxies for secrets of which a finding says what is wrong with them, and where. */
export function withoutExplainedWaits(state: MeshState, findings: readonly OfSecret[]): MeshState {
  const { certificates } = state;
  if (certificates === undefined) return state;
  const { waiting = [] } = certificates;
  const unexplained = waiting.filter(({ secret }) => {
    const name = secret.replace(/^.*\//, '').replace(/-cacert$/, '');
    return !findings.some(({ code, text, resource }) =>
      code === 'ISTH0003'
        ? resource.id === 'Secret' && resource.name.replace(/-cacert$/, '') === name
        : code === 'IST0101' &&
          /\bc(?:redential|aCertCredential)Name not found/.test(text) &&
          (text.includes(`"${name}"`) || text.includes(`/${name}"`)),
    );
  });
  return { ...state, certificates: { ...certificates, waiting: unexplained } };
}

/** What is wrong with the configuration, one line each. */
export function configurationProblems({ rejected, nacks, proxies }: StateResponse): string[] {
  return [
    ...rejected.flatMap(({ messages, lastGood }) =>
      messages.map((message) => `${formatMessage(message)}${lastGood ? '; its last good version stays in force' : ''}`),
    ),
    ...nacks.map(({ proxy, message }) => aboutProxy(proxy, message)),
    ...proxies.flatMap(({ id, lag }) =>
      lag === undefined || nacks.some(({ proxy }) => proxy === id) ? [] : [aboutProxy(id, lag)],
    ),
  ];
}
