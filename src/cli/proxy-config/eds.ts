import { goSort } from '../output/go-sort.ts';
import type { Message } from '../output/json.ts';
import { formatTable } from '../output/table.ts';
import { compareClusterNames } from './clusters.ts';
import { type ConfigDump, resourcesOf } from './config-dump.ts';
import { describeInternalAddress, type EndpointFilter, isWantedEndpoint } from './endpoints.ts';
import { messageAt, messagesAt, numberAt, textAt } from './fields.ts';

/**
 * Load assignments of clusters, as far as they have wanted endpoints and with those alone. A dump has them only where
 * `include_eds` was asked for; without, there are none.
 */
export function assignmentsOf(dump: ConfigDump, filter: EndpointFilter): Message[] {
  if (!dump.has('EndpointsConfigDump')) return [];
  const section = dump.section('EndpointsConfigDump');
  const assignments = ['dynamicEndpointConfigs', 'staticEndpointConfigs']
    .flatMap((list) => resourcesOf(section, list, (entry) => messageAt(entry, 'endpointConfig')))
    .map((assignment) => onlyWanted(assignment, filter))
    .filter((assignment) => assignment !== undefined);
  return goSort(assignments, (a, b) => compareClusterNames(textAt(a, 'clusterName'), textAt(b, 'clusterName')) < 0);
}

function onlyWanted(assignment: Message, filter: EndpointFilter): Message | undefined {
  const cluster = textAt(assignment, 'clusterName');
  const isWanted = (endpoint: Message) =>
    isWantedEndpoint(
      {
        cluster,
        address: addressOf(endpoint),
        port: numberAt(endpoint, 'endpoint', 'address', 'socketAddress', 'portValue'),
        status: statusOf(endpoint),
      },
      filter,
    );
  const endpoints = messagesAt(assignment, 'endpoints').map((locality) => {
    const lbEndpoints = messagesAt(locality, 'lbEndpoints').filter(isWanted);
    if (lbEndpoints.length > 0) return { ...locality, lbEndpoints };
    const { lbEndpoints: _, ...rest } = locality;
    return rest;
  });
  return endpoints.some((locality) => 'lbEndpoints' in locality) ? { ...assignment, endpoints } : undefined;
}

/** The table of `proxy-config eds`. With `kind`, the first column has `endpoint/ADDRESS`. */
export function summarizeAssignments(assignments: readonly Message[], kind = false): string {
  const rows = assignments.flatMap((assignment) =>
    messagesAt(assignment, 'endpoints').flatMap((locality) =>
      messagesAt(locality, 'lbEndpoints').map((endpoint) => [
        `${kind ? 'endpoint/' : ''}${addressOf(endpoint)}`,
        statusOf(endpoint),
        describeLocality(locality),
        textAt(assignment, 'clusterName'),
      ]),
    ),
  );
  return formatTable([['NAME', 'STATUS', 'LOCALITY', 'CLUSTER'], ...rows]);
}

function addressOf(endpoint: Message): string {
  const address = messageAt(endpoint, 'endpoint', 'address');
  const socket = messageAt(address, 'socketAddress');
  if (socket !== undefined) return `${textAt(socket, 'address')}:${numberAt(socket, 'portValue')}`;
  const internal = messageAt(address, 'envoyInternalAddress');
  return internal === undefined ? textAt(address, 'pipe', 'path') : describeInternalAddress(internal);
}

function statusOf(endpoint: Message): string {
  return textAt(endpoint, 'healthStatus') || 'UNKNOWN';
}

/** `region/zone/subZone`, as far as there is one. */
function describeLocality(locality: Message): string {
  const [region, zone, subZone] = ['region', 'zone', 'subZone'].map((part) => textAt(locality, 'locality', part));
  if (zone === '' && subZone === '') return region!;
  return subZone === '' ? `${region}/${zone}` : `${region}/${zone}/${subZone}`;
}
