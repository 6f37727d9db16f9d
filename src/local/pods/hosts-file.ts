/** Where a pod has its names. */
export const HOSTS_FILE = '/etc/hosts';

/** hosts(5) of a pod: the names that the gateways of the mesh serve, at the address that stands for their load balancer. */
export function hostsText(address: string, hosts: readonly string[]): string {
  return [...new Set(hosts)]
    .sort()
    .map((host) => `${address} ${host}\n`)
    .join('');
}
