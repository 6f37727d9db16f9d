import { closest, didYouMean, editDistance } from '../schema/suggest.ts';
import { groupOf, type KindDefinition } from './definition.ts';
import { KINDS, kindOf, kindsNamed } from './index.ts';

/** Kinds of Kubernetes that stand in the same groups as those that the mesh reads, and mean nothing to it. */
const UNUSED: Readonly<Record<string, readonly string[]>> = {
  '': [
    'Binding',
    'ComponentStatus',
    'Event',
    'LimitRange',
    'Node',
    'PersistentVolume',
    'PersistentVolumeClaim',
    'PodTemplate',
    'ReplicationController',
    'ResourceQuota',
  ],
  apps: ['ControllerRevision', 'DaemonSet'],
  batch: ['CronJob'],
  extensions: ['DaemonSet', 'NetworkPolicy', 'PodSecurityPolicy'],
  'networking.k8s.io': ['IPAddress', 'NetworkPolicy', 'ServiceCIDR'],
};

/** What to do with a document: read it as a kind, accept it without use, or refuse it. */
export type KindVerdict =
  | { readonly definition: KindDefinition }
  | { readonly unused: string }
  | { readonly refused: string; readonly field: 'apiVersion' | 'kind' };

/** Decides by apiVersion and kind what a document is. */
export function judgeKind(apiVersion: string, kind: string): KindVerdict {
  const definition = kindOf(apiVersion, kind);
  if (definition !== undefined) return { definition };
  const group = groupOf(apiVersion);
  const sameGroup = kindsNamed(kind).find((k) => k.apiVersions.some((v) => groupOf(v) === group));
  if (sameGroup !== undefined) {
    const versions = sameGroup.apiVersions.join(', ');
    return { refused: `is not a version of ${kind}: ${apiVersion}; use ${versions}`, field: 'apiVersion' };
  }
  if (UNUSED[group]?.includes(kind)) return { unused: `${kind} has no effect on the mesh` };
  const sameKind = kindsNamed(kind).find((k) => k.apiVersions.some((v) => isTypo(groupOf(v), group)));
  if (sameKind !== undefined) {
    return {
      refused: `is unknown: ${apiVersion} has no ${kind}; did you mean ${sameKind.apiVersions[0]}?`,
      field: 'apiVersion',
    };
  }
  const ours = (KINDS as readonly KindDefinition[]).filter((k) => k.apiVersions.some((v) => groupOf(v) === group));
  if (ours.length === 0 && !group.endsWith('istio.io')) {
    return { unused: `${kind} of ${apiVersion} has no effect on the mesh` };
  }
  const names = [...ours, ...KINDS].map((k) => k.kind);
  return {
    refused: `is unknown: ${apiVersion} has no ${kind}${didYouMean([...new Set(closest(kind, names))])}`,
    field: 'kind',
  };
}

function isTypo(right: string, written: string): boolean {
  return written === '' || (Math.abs(right.length - written.length) <= 2 && editDistance(right, written) <= 2);
}
