/** What the registry must know of the mesh besides its objects. */
export interface RegistryOptions {
  /** Suffix of the names of Kubernetes services. */
  readonly domain: string;
  readonly clusterId: string;
  readonly trustDomain: string;
  /** Network of workloads that name none. */
  readonly network: string;
  /** Whether services without an address get one out of 240.240.0.0/16. */
  readonly allocateAddresses: boolean;
  /** Whether Kubernetes services without a cluster IP do as well: there is no API server that would have seen to it. */
  readonly allocateClusterIps: boolean;
}

export const DEFAULT_REGISTRY_OPTIONS: RegistryOptions = {
  domain: 'cluster.local',
  clusterId: 'Kubernetes',
  trustDomain: 'cluster.local',
  network: '',
  allocateAddresses: true,
  allocateClusterIps: false,
};
