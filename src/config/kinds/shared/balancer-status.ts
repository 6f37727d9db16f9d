/** The part of a Service's or Ingress's `status` that tells where it is reached from outside. */
export interface BalancerStatus {
  readonly loadBalancer: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] };
}

/** Addresses and names from outside, as kubectl lists them. */
export function balancerAddresses(status: Partial<BalancerStatus>): string[] {
  return (status.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip ?? hostname ?? []);
}
