import type { LabelSelector } from './kinds/shared/selector.ts';

type Labels = Readonly<Record<string, string>>;

/** Whether `labels` has all of `wanted`; no wanted labels match everything. */
export function matchesLabels(wanted: Labels | undefined, labels: Labels): boolean {
  for (const key in wanted) if (labels[key] !== wanted[key]) return false;
  return true;
}

/** Whether `labels` is what Kubernetes' LabelSelector selects; an operator that does not exist selects nothing. */
export function matchesLabelSelector(selector: LabelSelector | undefined, labels: Labels): boolean {
  if (!matchesLabels(selector?.matchLabels, labels)) return false;
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    const value = labels[key];
    const matches =
      operator === 'In'
        ? value !== undefined && values.includes(value)
        : operator === 'NotIn'
          ? value === undefined || !values.includes(value)
          : operator === 'Exists'
            ? value !== undefined
            : operator === 'DoesNotExist' && value === undefined;
    if (!matches) return false;
  }
  return true;
}
