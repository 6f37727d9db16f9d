import type { ProxyFacts, Reference, Service } from '../../explain/describe/subject.ts';
import type { Message } from '../output/json.ts';
import { isMap } from '../output/json.ts';
import { type ConfigDump, resourcesOf } from '../proxy-config/config-dump.ts';
import { messageAt, messagesAt, numberAt, textAt, textsAt, valueAt } from '../proxy-config/fields.ts';
import { describeManagement } from '../proxy-config/management.ts';

const RBAC_FILTER = 'envoy.filters.http.rbac';
const VIRTUAL_INBOUND = 'virtualInbound';

/** What a config dump says about services: its resources name the objects that they were made from. */
export function factsOf(dump: ConfigDump): ProxyFacts {
  const routes = resourcesOf(dump.section('RoutesConfigDump'), 'dynamicRouteConfigs', (entry) =>
    messageAt(entry, 'routeConfig'),
  );
  const clusters = resourcesOf(dump.section('ClustersConfigDump'), 'dynamicActiveClusters', (entry) =>
    messageAt(entry, 'cluster'),
  );
  const listeners = resourcesOf(dump.section('ListenersConfigDump'), 'dynamicListeners', (entry) =>
    messageAt(entry, 'activeState', 'listener'),
  );
  return {
    virtualService: (service, port) => {
      const hosts = routes.flatMap((config) => messagesAt(config, 'virtualHosts'));
      const owners = hosts.flatMap((host) => {
        const isOwn = isHostOf(host, service, port);
        return messagesAt(host, 'routes')
          .filter((route) => isOwn || clusterOf(route) === clusterName(service, port))
          .flatMap((route) => referenceOf(describeManagement(route)) ?? []);
      });
      return owners[0];
    },
    destinationRule: (service, port) => {
      const cluster = clusters.find((candidate) => textAt(candidate, 'name') === clusterName(service, port));
      return cluster && referenceOf(describeManagement(cluster));
    },
    policies: (podPort) => {
      const [manager] = listeners.filter((listener) => isInbound(listener, podPort)).flatMap(connectionManagers);
      const filter = messagesAt(manager, 'httpFilters').find((candidate) => textAt(candidate, 'name') === RBAC_FILTER);
      const policies = valueAt(filter, 'typedConfig', 'rules', 'policies');
      return policies !== undefined && isMap(policies) ? [...policies.keys()].map(String).sort() : [];
    },
  };
}

function clusterName({ metadata }: Service, port: number): string {
  return `outbound|${port}||${metadata.name}.${metadata.namespace}.svc.cluster.local`;
}

/** Whether a virtual host is that of a service on a port, or on the port that the whole configuration is for. */
function isHostOf(host: Message, { metadata }: Service, port: number): boolean {
  const whole = `${metadata.name}.${metadata.namespace}.svc.cluster.local`;
  return textAt(host, 'name') === `${whole}:${port}` && textsAt(host, 'domains').some((d) => d.split(':')[0] === whole);
}

function clusterOf(route: Message): string {
  const [weighted] = messagesAt(route, 'route', 'weightedClusters', 'clusters');
  return textAt(route, 'route', 'cluster') || textAt(weighted, 'name');
}

function isInbound(listener: Message, podPort: number): boolean {
  if (textAt(listener, 'name') === VIRTUAL_INBOUND) return true;
  const address = messageAt(listener, 'address', 'socketAddress');
  return textAt(listener, 'trafficDirection') === 'INBOUND' && numberAt(address, 'portValue') === podPort;
}

function connectionManagers(listener: Message): Message[] {
  return messagesAt(listener, 'filterChains')
    .flatMap((chain) => messagesAt(chain, 'filters'))
    .map((filter) => messageAt(filter, 'typedConfig'))
    .filter((config) => config !== undefined)
    .filter((config) => messagesAt(config, 'httpFilters').length > 0);
}

/** Takes `NAME.NAMESPACE` apart; a name may have dots, a namespace has none. */
function referenceOf(management: string): Reference | undefined {
  const dot = management.lastIndexOf('.');
  return dot === -1 ? undefined : { name: management.slice(0, dot), namespace: management.slice(dot + 1) };
}
