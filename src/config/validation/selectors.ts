import { KUBERNETES_GATEWAY_GROUP } from '../kinds/shared/groups.ts';
import type { LabelsSelector, TargetReference, TrafficSelector, WorkloadSelector } from '../kinds/shared/selector.ts';
import type { Report } from '../report.ts';
import { checkLabelKey, checkSelectedValue } from './names.ts';
import { checkPort } from './ports.ts';

interface Attachment {
  readonly selector?: WorkloadSelector;
  readonly targetRef?: TargetReference;
  readonly targetRefs?: readonly TargetReference[];
}

/** The rules for what a policy applies to: a selector or references, not both. */
export function validateAttachment(spec: Attachment, report: Report): void {
  const set = [
    spec.selector === undefined ? undefined : 'selector',
    spec.targetRef === undefined ? undefined : 'targetRef',
    spec.targetRefs === undefined || spec.targetRefs.length === 0 ? undefined : 'targetRefs',
  ].filter((name) => name !== undefined);
  if (set.length > 1) report.error(`only one of ${set.join(' and ')} may be set`);
  validateWorkloadSelector(spec.selector, report.at('selector'));
  if (spec.targetRef !== undefined) validateTargetReference(spec.targetRef, report.at('targetRef'));
  for (const [i, reference] of (spec.targetRefs ?? []).entries()) {
    validateTargetReference(reference, report.at('targetRefs', i));
  }
}

/** The rules for `selector` of security, telemetry and extension kinds. */
export function validateWorkloadSelector(selector: WorkloadSelector | undefined, report: Report): void {
  if (selector === undefined) return;
  validateSelectorLabels(selector.matchLabels, report, 'matchLabels');
}

/** The rules for `workloadSelector` of networking kinds. */
export function validateLabelsSelector(selector: LabelsSelector | undefined, report: Report): void {
  if (selector === undefined) return;
  validateSelectorLabels(selector.labels, report, 'labels');
}

function validateSelectorLabels(
  labels: Readonly<Record<string, string>> | undefined,
  report: Report,
  field: string,
): void {
  const entries = Object.entries(labels ?? {});
  if (entries.length === 0) report.warning('has no labels, so it selects every workload of the namespace');
  for (const [key, value] of entries) {
    if (key === '') report.error('has an empty key', field);
    else if (key.includes('*') || value.includes('*')) report.error('must not have a wildcard', field, key);
  }
}

/** Kinds that a policy may be attached to: core Service, ServiceEntry, and Gateway API's Gateway and GatewayClass. */
const TARGETS = new Set([
  '/Service',
  'core/Service',
  'networking.istio.io/ServiceEntry',
  `${KUBERNETES_GATEWAY_GROUP}/Gateway`,
  `${KUBERNETES_GATEWAY_GROUP}/GatewayClass`,
]);

function validateTargetReference(reference: TargetReference, report: Report): void {
  if (reference.name === '') report.error('must not be empty', 'name');
  if (reference.namespace !== undefined && reference.namespace !== '') {
    report.error('must not be set: a policy applies in its own namespace', 'namespace');
  }
  const target = `${reference.group ?? ''}/${reference.kind}`;
  if (!TARGETS.has(target)) {
    report.error(
      `must be a Service, a ServiceEntry of networking.istio.io, or a Gateway or GatewayClass of ${KUBERNETES_GATEWAY_GROUP}, not ${target.replace(/^\//, '')}`,
      'kind',
    );
  }
}

/** The rules for labels that a workload has, in WorkloadEntry, subsets and `sourceLabels`. */
export function validateLabels(labels: Readonly<Record<string, string>> | undefined, report: Report): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    report.check(checkLabelKey(key) ?? checkSelectedValue(value), key);
  }
}

/** The rules for the traffic that an extension is for. */
export function validateTrafficSelectors(selectors: readonly TrafficSelector[] | undefined, report: Report): void {
  for (const [i, selector] of (selectors ?? []).entries()) {
    for (const [j, port] of (selector.ports ?? []).entries()) {
      report.check(checkPort(port.number ?? 0), i, 'ports', j, 'number');
    }
  }
}
