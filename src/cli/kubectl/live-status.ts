import type { MeshStatus, PodStatus } from '../../config/control/mesh-api.ts';

/** Kinds whose `status` is what the mesh makes of them, not what anybody wrote. */
export const LIVE_KINDS: ReadonlySet<string> = new Set([
  'Pod',
  'Deployment',
  'ReplicaSet',
  'StatefulSet',
  'Job',
  'Service',
]);

type Raw = Readonly<Record<string, unknown>>;

/** The `status` of an object of one of {@link LIVE_KINDS}, as Kubernetes would fill it in. */
export function liveStatus(kind: string, raw: Raw, { pods, urls }: MeshStatus): Raw {
  const { name, namespace } = raw.metadata as { readonly name: string; readonly namespace: string };
  const written = (raw.status ?? {}) as Raw;
  const own = () => pods.filter((pod) => pod.namespace === namespace && pod.owner === `${kind}/${name}`);
  switch (kind) {
    case 'Pod': {
      const pod = pods.find((p) => p.namespace === namespace && p.name === name);
      return pod === undefined ? written : podStatus(pod);
    }
    case 'Service': {
      const addresses = new Set(urls.filter((u) => u.gateway === name).map(({ url }) => hostOf(url)));
      return { loadBalancer: addresses.size === 0 ? {} : { ingress: [...addresses].map((ip) => ({ ip })) } };
    }
    case 'Job': {
      const succeeded = own().filter((pod) => pod.status === 'Completed').length;
      return succeeded > 0 ? { succeeded, conditions: [{ type: 'Complete', status: 'True' }] } : {};
    }
    default: {
      const replicas = own().length;
      const ready = own().filter((pod) => pod.ready === pod.size).length;
      return { availableReplicas: ready, readyReplicas: ready, replicas, updatedReplicas: replicas };
    }
  }
}

function podStatus(pod: PodStatus): Raw {
  const containerStatuses = pod.containers
    .filter(({ init }) => !init)
    .map(({ name, ready, restarts, state, startedAt, message }) => ({
      name,
      ready,
      restartCount: restarts,
      state:
        state === 'Running'
          ? { running: startedAt === undefined ? {} : { startedAt: new Date(startedAt).toISOString() } }
          : { waiting: { reason: state, ...(message === undefined ? {} : { message }) } },
    }));
  // A container that is not there yet counts as well, and a program that somebody else runs.
  const missing = Math.max(0, pod.size - containerStatuses.length);
  const readyOthers = pod.ready - containerStatuses.filter((c) => c.ready).length;
  const others = Array.from({ length: missing }, (_, i) => ({ ready: i < readyOthers, restartCount: 0 }));
  const ready = pod.ready === pod.size;
  return {
    phase: pod.status === 'Completed' ? 'Succeeded' : (PHASES[pod.status] ?? 'Pending'),
    hostIP: '127.0.0.1',
    podIP: pod.podIp,
    podIPs: [pod.podIp, pod.podIpv6].flatMap((ip) => ip ?? []).map((ip) => ({ ip })),
    startTime: new Date(pod.createdAt).toISOString().replace(/\.\d+Z$/, 'Z'),
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    containerStatuses: [...containerStatuses, ...others],
    ...(pod.status in PHASES ? {} : { reason: pod.status }),
    ...(pod.message === undefined ? {} : { message: pod.message }),
  };
}

/** Kubernetes' phases, for the words under STATUS that say no more than they do. */
const PHASES: Readonly<Record<string, string>> = { Running: 'Running', Pending: 'Pending', Terminating: 'Running' };

function hostOf(url: string): string {
  return url.replace(/^.*\/\//, '').replace(/:\d+$/, '');
}
