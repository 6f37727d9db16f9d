import type { SocketAddress } from '../../net/connection.ts';
import type { EventFile } from '../event-file.ts';
import type { Host } from '../host.ts';

/** Why a check failed, in the words of `envoy.data.core.v3.HealthCheckFailureType`. */
export type FailureType = 'ACTIVE' | 'PASSIVE' | 'NETWORK' | 'NETWORK_TIMEOUT';

/** Writes `envoy.data.core.v3.HealthCheckEvent` as JSON, to the files that a health check names. */
export class HealthEventLog {
  readonly #files: readonly EventFile[];
  readonly #type: string;
  readonly #cluster: string;
  readonly #wallClock: () => number;

  constructor(files: readonly EventFile[], type: string, cluster: string, wallClock: () => number) {
    this.#files = files;
    this.#type = type;
    this.#cluster = cluster;
    this.#wallClock = wallClock;
  }

  ejectUnhealthy(host: Host, type: FailureType, status: number): void {
    this.#write(host, { eject_unhealthy_event: { failure_type: type, http_status_code: status } }, {}, {});
  }

  addHealthy(host: Host, first: boolean): void {
    this.#write(host, { add_healthy_event: { first_check: first } }, {}, {});
  }

  failure(host: Host, type: FailureType, first: boolean, status: number): void {
    const event = { failure_type: type, first_check: first, http_status_code: status };
    this.#write(host, {}, { health_check_failure_event: event }, {});
  }

  degraded(host: Host): void {
    this.#write(host, {}, { degraded_healthy_host: {} }, {});
  }

  noLongerDegraded(host: Host): void {
    this.#write(host, {}, { no_longer_degraded_host: {} }, {});
  }

  success(host: Host): void {
    this.#write(host, {}, {}, { successful_health_check_event: {} });
  }

  /** Fields come in the order of their numbers, which is where the kinds of events differ. */
  #write(host: Host, early: object, middle: object, late: object): void {
    const { locality, metadata, address } = host.description;
    const event = {
      health_checker_type: this.#type,
      host: addressJson(address),
      cluster_name: this.#cluster,
      ...early,
      timestamp: new Date(this.#wallClock()).toISOString(),
      ...middle,
      ...(metadata.size === 0 ? {} : { metadata: metadataJson(metadata) }),
      locality: { region: locality.region, zone: locality.zone, sub_zone: locality.subZone },
      ...late,
    };
    for (const file of this.#files) file.write(event);
  }
}

function addressJson({ address, port, family }: SocketAddress): object {
  if (family === 0) return { pipe: { path: address, mode: 0 } };
  const socket = { protocol: 'TCP', address, port_value: port };
  return { socket_address: { ...socket, resolver_name: '', ipv4_compat: false, network_namespace_filepath: '' } };
}

function metadataJson(metadata: Host['description']['metadata']): object {
  return { filter_metadata: Object.fromEntries(metadata), typed_filter_metadata: {} };
}
