import { formatLocation } from '../../base/errors.ts';
import { groupOf } from '../../config/kinds/definition.ts';
import { KINDS } from '../../config/kinds/index.ts';
import { formatMessage } from '../../config/message.ts';
import type { ConfigObject } from '../../config/object.ts';
import { describeNack, type RecordedNack } from '../proxies/nack.ts';
import { shortType } from '../proxies/type-names.ts';
import { type DebugContext, type DebugEndpoint, json, text, timestamp } from './handler.ts';

/** What istiod puts under what a person wrote, as it prints a MeshConfig. */
const MESH_DEFAULTS = {
  proxyListenPort: 15001,
  proxyInboundListenPort: 15006,
  connectTimeout: '10s',
  protocolDetectionTimeout: '0s',
  ingressClass: 'istio',
  ingressService: 'istio-ingressgateway',
  ingressControllerMode: 'STRICT',
  enableTracing: true,
  outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
  inboundTrafficPolicy: {},
  enableAutoMtls: true,
  trustDomain: 'cluster.local',
  defaultServiceExportTo: ['*'],
  defaultVirtualServiceExportTo: ['*'],
  defaultDestinationRuleExportTo: ['*'],
  rootNamespace: 'istio-system',
  localityLbSetting: { enabled: true },
  dnsRefreshRate: '60s',
  enablePrometheusMerge: true,
  defaultProviders: {},
};

/** Kinds of Istio's own API: what configz lists. */
const ISTIO_KINDS = KINDS.filter(({ apiVersions }) => groupOf(apiVersions[0]).endsWith('istio.io'));

function objects({ source }: DebugContext): ConfigObject[] {
  const all = ISTIO_KINDS.flatMap(({ id }) => [...source.snapshot.config.list(id)]);
  return all.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function keyOf({ kind, metadata }: ConfigObject): string {
  return `${kind}/${metadata.namespace}/${metadata.name}`;
}

function objectJson({ kind, apiVersion, metadata, raw }: ConfigObject) {
  const { labels, annotations, name, namespace } = metadata;
  return {
    kind,
    apiVersion,
    metadata: {
      name,
      namespace,
      ...(Object.keys(labels).length > 0 ? { labels } : {}),
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    },
    spec: raw.spec ?? {},
  };
}

/** What could not be done as it was meant, by the metric that counts it, as istiod's PushContext keeps it. */
function pushStatus({ source }: DebugContext) {
  const { config, registry } = source.snapshot;
  const status: Record<string, Record<string, { message?: string }>> = {};
  const add = (metric: string, key: string, message?: string) => {
    (status[metric] ??= {})[key] = message === undefined ? {} : { message };
  };
  for (const { key, messages } of config.rejected) {
    add('pilot_total_rejected_configs', key, messages.map(formatMessage).join('\n'));
  }
  for (const service of registry.services.all) {
    if (service.resolution !== 'STATIC' || registry.endpoints(service).endpoints.length > 0) continue;
    for (const { port } of service.ports) add('pilot_eds_no_instances', `outbound|${port}||${service.hostname}`);
  }
  return status;
}

function nackJson(nack: RecordedNack) {
  return {
    time: timestamp(nack.at),
    proxy: nack.proxy,
    connectionId: nack.connectionId,
    type: shortType(nack.typeUrl),
    snapshot: nack.snapshot,
    code: nack.code,
    message: nack.message,
    resources: nack.resources.map(({ name, origin }) => ({ name, from: origin.map(formatLocation) })),
  };
}

/** Where the control plane stands: the newest snapshot, how far each proxy has got, and what is refused. */
function snapshotStatus({ source, proxies, convergence }: DebugContext) {
  const { number, config } = source.snapshot;
  return {
    objects: config.size,
    rejected: config.rejected.map(({ key, messages, lastGood }) => ({
      key,
      lastGood,
      messages: messages.map(formatMessage),
    })),
    ...convergence.report(number),
    proxies: [...proxies].map(({ id, connectionId, progress }) => ({
      id,
      connectionId,
      settled: progress.settled,
      affectedBy: progress.affectedBy,
      rejected: [...progress.nacks.values()].map(describeNack),
    })),
  };
}

const MAX_WAIT_SECONDS = 600;

export const configurationEndpoints: readonly DebugEndpoint[] = [
  {
    name: 'configz',
    help: "Objects of Istio's kinds that are in force",
    answer: (_, context) => json(objects(context).map(objectJson)),
  },
  {
    name: 'resourcesz',
    help: 'Kinds that are read',
    answer: () =>
      json(
        ISTIO_KINDS.map(({ apiVersions, kind }) => ({
          group: groupOf(apiVersions[0]),
          version: apiVersions[0].split('/')[1],
          kind,
        })),
      ),
  },
  {
    name: 'mesh',
    help: 'The configuration of the mesh, with defaults',
    answer: (_, { meshConfig }) => json({ ...MESH_DEFAULTS, ...meshConfig() }),
  },
  {
    name: 'push_status',
    help: 'What of the newest snapshot could not be done as it was meant',
    answer: (_, context) => json(pushStatus(context)),
  },
  {
    name: 'nackz',
    help: 'What proxies have refused of late, and the places in files that it came from',
    answer: (_, { proxies }) => json(proxies.nacks.map(nackJson)),
  },
  {
    name: 'snapshotz',
    help: 'How far the newest snapshot has got; ?snapshot=N&timeout=SECONDS waits until every affected proxy has N',
    answer: ({ query }, context) => {
      const wanted = query.get('snapshot');
      if (wanted === null) return json(snapshotStatus(context));
      const [snapshot, seconds] = [Number(wanted), Number(query.get('timeout') ?? 0)];
      if (!Number.isSafeInteger(snapshot) || snapshot < 1) return text(400, 'snapshot must be a number from 1\n');
      if (!(seconds >= 0 && seconds <= MAX_WAIT_SECONDS))
        return text(400, `timeout must be a number of seconds from 0 to ${MAX_WAIT_SECONDS}\n`);
      return context.convergence.waitFor(snapshot, seconds * 1000).then((report) => json(report));
    },
  },
  {
    name: 'scopez',
    help: 'Log levels by scope; ?level=ads:debug,push:info sets some, as --log_output_level does',
    answer: ({ query }, { logging }) => {
      const wanted = query.get('level');
      const problem = wanted === null ? undefined : logging.configure(wanted);
      return problem ? text(400, `${problem}\n`) : json(Object.fromEntries(logging.levels()));
    },
  },
];
