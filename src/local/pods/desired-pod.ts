import { xxhash64 } from '../../base/xxhash64.ts';
import type { PodSpec, PodTemplate } from '../../config/kinds/shared/pod-spec.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';

/** What made a pod, and makes another one in its place. */
export interface PodOwner {
  readonly kind: 'Deployment' | 'ReplicaSet' | 'StatefulSet' | 'Job';
  readonly name: string;
}

/** A pod that the configuration asks for. */
export interface DesiredPod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Undefined for a Pod that stands for itself. */
  readonly owner: PodOwner | undefined;
  /** Whether it starts before those in whose place it comes have ended: rolling updates of a Deployment. */
  readonly overlaps: boolean;
  readonly spec: PodSpec;
  /** Differs when the pod must be made anew. */
  readonly hash: string;
  /** The object that asks for it: its folder is where the programs start, and its place goes into messages. */
  readonly source: ConfigObject;
}

/** `namespace/name`. */
export function podKey({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

/** Pods that say nothing end within this time; Kubernetes' 30 s are long for somebody who waits at a terminal. */
const DEFAULT_GRACE_SECONDS = 5;

/** How long the programs of a pod may take to end, milliseconds. */
export function graceMsOf({ spec }: Pick<DesiredPod, 'spec'>): number {
  return Number(spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1000;
}

/** When the pods of a workload were to be made anew, whatever its template says; undefined if never. */
export type RestartedAt = (kind: PodOwner['kind'], namespace: string, name: string) => string | undefined;

/** What `kubectl rollout restart` writes into a template, so that its pods are others from then on. */
const RESTARTED_AT = 'kubectl.kubernetes.io/restartedAt';

/** Every pod that Deployments, ReplicaSets, StatefulSets, Jobs and Pods ask for, as Kubernetes would name and label it. */
export function desiredPods(
  config: Pick<ConfigSnapshot, 'list'>,
  restartedAt: RestartedAt = () => undefined,
): DesiredPod[] {
  const templateOf = (
    kind: PodOwner['kind'],
    { metadata, spec }: ConfigObject<{ readonly template?: PodTemplate }>,
  ) => {
    const at = restartedAt(kind, metadata.namespace, metadata.name);
    const { template } = spec;
    if (at === undefined || template === undefined) return template;
    const annotations = { ...template.metadata?.annotations, [RESTARTED_AT]: at };
    return { ...template, metadata: { ...template.metadata, annotations } };
  };
  return [
    ...config.list('Pod').map(ofPod),
    ...config
      .list('Deployment')
      .flatMap((o) => replicas('Deployment', o, o.spec.replicas, templateOf('Deployment', o), isRolling(o.spec))),
    ...config.list('ReplicaSet').flatMap((o) => replicas('ReplicaSet', o, o.spec.replicas, o.spec.template)),
    ...config
      .list('StatefulSet')
      .flatMap((o) => ordinals(o, o.spec.replicas, templateOf('StatefulSet', o), o.spec.serviceName ?? '')),
    ...config.list('Job').flatMap((o) => replicas('Job', o, o.spec.suspend ? 0 : 1, o.spec.template)),
  ];
}

function ofPod(source: ConfigObject<PodSpec>): DesiredPod {
  const { namespace, name, labels, annotations } = source.metadata;
  const { spec } = source;
  const hash = hashOf([labels, spec]);
  return { namespace, name, labels, annotations, owner: undefined, overlaps: false, spec, hash, source };
}

function isRolling({ strategy }: { readonly strategy?: unknown }): boolean {
  return (strategy as { readonly type?: unknown } | undefined)?.type !== 'Recreate';
}

function replicas(
  kind: 'Deployment' | 'ReplicaSet' | 'Job',
  source: ConfigObject,
  count: number | undefined,
  template: PodTemplate | undefined,
  overlaps = true,
): DesiredPod[] {
  const { namespace, name } = source.metadata;
  const { spec } = template ?? {};
  if (spec === undefined) return [];
  const hash = hashOf([template]);
  const own: Record<string, string> = kind === 'Job' ? { 'job-name': name } : { 'pod-template-hash': hash };
  return Array.from({ length: count ?? 1 }, (_, index) => {
    const suffix = hashOf([namespace, name, hash, index]).slice(0, 5);
    return {
      namespace,
      name: kind === 'Job' ? `${name}-${suffix}` : `${name}-${hash}-${suffix}`,
      labels: { ...template?.metadata?.labels, ...own },
      annotations: template?.metadata?.annotations ?? {},
      owner: { kind, name },
      overlaps,
      spec: kind === 'Job' ? { restartPolicy: 'Never', ...spec } : spec,
      hash,
      source,
    };
  });
}

function ordinals(
  source: ConfigObject,
  count: number | undefined,
  template: PodTemplate | undefined,
  subdomain: string,
): DesiredPod[] {
  const { namespace, name } = source.metadata;
  const { spec } = template ?? {};
  if (spec === undefined) return [];
  const hash = hashOf([template]);
  return Array.from({ length: count ?? 1 }, (_, index) => {
    const own = `${name}-${index}`;
    return {
      namespace,
      name: own,
      labels: {
        ...template?.metadata?.labels,
        'apps.kubernetes.io/pod-index': String(index),
        'statefulset.kubernetes.io/pod-name': own,
      },
      annotations: template?.metadata?.annotations ?? {},
      owner: { kind: 'StatefulSet', name },
      overlaps: false,
      spec: { hostname: own, subdomain, ...spec },
      hash,
      source,
    };
  });
}

/** The letters that Kubernetes makes hashes of: no vowels, so that no words appear. */
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

function hashOf(value: unknown): string {
  let rest = xxhash64(Buffer.from(JSON.stringify(value)));
  let text = '';
  for (let i = 0; i < 10; i++) {
    text += LETTERS[Number(rest % 27n)];
    rest /= 27n;
  }
  return text;
}
