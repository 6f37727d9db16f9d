import { matchesLabels } from '../config/labels.ts';
import type { Loose } from './resource.ts';

export type Labels = Readonly<Record<string, string>>;

/** `app=web,tier=front`: a selector as Kubernetes writes it, its labels sorted. */
export function formatSelector(labels: Loose<Labels> | undefined): string {
  return Object.keys(labels ?? {})
    .sort()
    .map((key) => `${key}=${labels![key]}`)
    .join(',');
}

/** The label that a message about a selector which selects nothing points at. */
export function firstLabel(labels: Loose<Labels> | undefined): string {
  return Object.keys(labels ?? {}).sort()[0] ?? '';
}

/** Whether a selector of labels selects; an empty one selects everything. */
export function selects(selector: Loose<Labels> | undefined, labels: Labels): boolean {
  return matchesLabels(selector as Labels | undefined, labels);
}
