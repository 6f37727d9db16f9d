export type Labels = Readonly<Record<string, string>>;

/** Whether `labels` has every pair of `selector`. No pairs select everything. */
export function selects(selector: Labels | undefined, labels: Labels): boolean {
  for (const key in selector) if (!Object.hasOwn(labels, key) || labels[key] !== selector[key]) return false;
  return true;
}

export function isEmpty(labels: Labels | undefined): boolean {
  for (const _ in labels) return false;
  return true;
}

export function sameLabels(a: Labels | undefined, b: Labels | undefined): boolean {
  if (a === b) return true;
  const keys = Object.keys(a ?? {});
  return keys.length === Object.keys(b ?? {}).length && keys.every((key) => a![key] === b![key]);
}

export const TLS_MODE_LABEL = 'security.istio.io/tlsMode';
export const CANONICAL_NAME_LABEL = 'service.istio.io/canonical-name';
export const CANONICAL_REVISION_LABEL = 'service.istio.io/canonical-revision';
