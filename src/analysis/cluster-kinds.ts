import { groupOf } from '../config/kinds/definition.ts';
import { labelSelector } from '../config/kinds/shared/selector.ts';
import { any, array, type Infer, map, object, ReadContext, string } from '../config/schema/index.ts';

const webhook = object({
  name: string(),
  clientConfig: object({ url: string(), service: object({ namespace: string(), name: string() }) }),
  namespaceSelector: labelSelector,
  objectSelector: labelSelector,
});

const webhookConfiguration = object({ webhooks: array(webhook) });
export type Webhook = Infer<typeof webhook>;

const KUBERNETES_GATEWAY_GROUP = 'gateway.networking.k8s.io';

/** Kinds that say something about a mesh to an analyzer and to nobody else. They are read as far as they can be. */
const CLUSTER_KINDS = [
  { id: 'Node', group: '', kind: 'Node', layout: 'spec', schema: object({ podCIDR: any() }) },
  {
    id: 'MutatingWebhookConfiguration',
    group: 'admissionregistration.k8s.io',
    kind: 'MutatingWebhookConfiguration',
    layout: 'body',
    schema: webhookConfiguration,
  },
  {
    id: 'ValidatingWebhookConfiguration',
    group: 'admissionregistration.k8s.io',
    kind: 'ValidatingWebhookConfiguration',
    layout: 'body',
    schema: webhookConfiguration,
  },
  {
    id: 'CustomResourceDefinition',
    group: 'apiextensions.k8s.io',
    kind: 'CustomResourceDefinition',
    layout: 'spec',
    schema: object({ group: string(), names: object({ kind: string() }) }),
  },
  {
    id: 'KubernetesGateway',
    group: KUBERNETES_GATEWAY_GROUP,
    kind: 'Gateway',
    layout: 'spec',
    schema: object({ gatewayClassName: string() }),
  },
  {
    id: 'HTTPRoute',
    group: KUBERNETES_GATEWAY_GROUP,
    kind: 'HTTPRoute',
    layout: 'spec',
    schema: object({ hostnames: array(string()) }),
  },
  {
    id: 'GRPCRoute',
    group: KUBERNETES_GATEWAY_GROUP,
    kind: 'GRPCRoute',
    layout: 'spec',
    schema: object({ hostnames: array(string()) }),
  },
] as const;

export type ClusterKindId = (typeof CLUSTER_KINDS)[number]['id'];

export type ClusterSpecOf<K extends ClusterKindId> = Infer<
  Extract<(typeof CLUSTER_KINDS)[number], { readonly id: K }>['schema']
>;

/** The kind of a document that is one of these. */
export function clusterKindOf(apiVersion: string, kind: string) {
  return CLUSTER_KINDS.find((k) => k.kind === kind && k.group === groupOf(apiVersion));
}

const metadataSchema = object({
  name: string(),
  namespace: string(),
  labels: map(string()),
  annotations: map(string()),
});

/** Reads what can be read of a document of one of these kinds; undefined without a name. */
export function readClusterObject(
  value: Readonly<Record<string, unknown>>,
  { layout, schema }: NonNullable<ReturnType<typeof clusterKindOf>>,
) {
  const context = new ReadContext([], { unknownFields: 'warning' });
  const metadata = metadataSchema.read(value.metadata ?? {}, context);
  if (!metadata?.name) return undefined;
  const body = layout === 'spec' ? (value.spec ?? {}) : value;
  return { metadata: { ...metadata, name: metadata.name }, spec: schema.read(body, context) ?? {} };
}
