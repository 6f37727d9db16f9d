/** Kubernetes names: a DNS label and a DNS subdomain (RFC 1123). */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

export interface ServiceAccount {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Claims of a projected service account token that Kubernetes puts under `kubernetes.io`. */
export interface KubernetesClaims {
  readonly namespace: string;
  readonly serviceaccount: { readonly name: string; readonly uid?: string };
  readonly pod?: { readonly name: string; readonly uid?: string };
  readonly node?: { readonly name: string; readonly uid?: string };
}

const PREFIX = 'system:serviceaccount:';

export const formatSubject = ({ namespace, serviceAccount }: ServiceAccount): string =>
  `${PREFIX}${namespace}:${serviceAccount}`;

export const isServiceAccount = ({ namespace, serviceAccount }: ServiceAccount): boolean =>
  LABEL.test(namespace) && SUBDOMAIN.test(serviceAccount) && !serviceAccount.includes('..');

/** Takes `system:serviceaccount:NAMESPACE:NAME` apart; undefined if it is not exactly that. */
export function parseSubject(subject: string): ServiceAccount | undefined {
  const [namespace, serviceAccount, ...rest] = subject.startsWith(PREFIX)
    ? subject.slice(PREFIX.length).split(':')
    : [];
  const account = { namespace: namespace ?? '', serviceAccount: serviceAccount ?? '' };
  return rest.length === 0 && isServiceAccount(account) ? account : undefined;
}
