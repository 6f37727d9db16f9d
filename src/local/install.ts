import type { GatewayComponent, IstioOperatorSpec } from '../config/kinds/istio-operator/schema.ts';
import { meshConfigSchema } from '../config/kinds/mesh-config/schema.ts';
import { withJsonNames } from '../config/schema/index.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import { parseYaml } from '../config/yaml/parse.ts';

type Json = { readonly [key: string]: unknown };

/** What `istioctl install` would set up: the mesh's configuration, the gateways, the environment of the control plane. */
export interface Installation {
  readonly namespace: string;
  readonly meshConfig: Json;
  /** Variables of istiod (`components.pilot.k8s.env`). */
  readonly pilotEnv: Readonly<Record<string, string>>;
  /** Objects of the gateways: ServiceAccounts, Deployments, Services. */
  readonly objects: readonly Json[];
}

const CONTROL_NAMESPACE = 'istio-system';

/** What a mesh on one machine has beside Istio's defaults. */
const MESH_DEFAULTS: Json = {
  accessLogFile: '/dev/stdout',
  enablePrometheusMerge: true,
  // What Istio's charts install: without a provider of metrics no request is counted.
  defaultProviders: { metrics: ['prometheus'] },
  // Where programs send what is not for an address of their own sidecar.
  proxyHttpPort: 15002,
};

/** Which gateways a profile of istioctl installs; without one this is a demonstration. */
const PROFILES: Readonly<Record<string, { readonly ingress: boolean; readonly egress: boolean }>> = {
  '': { ingress: true, egress: true },
  demo: { ingress: true, egress: true },
  default: { ingress: true, egress: false },
  openshift: { ingress: true, egress: false },
  preview: { ingress: true, egress: false },
  stable: { ingress: true, egress: false },
  ambient: { ingress: false, egress: false },
  minimal: { ingress: false, egress: false },
  remote: { ingress: false, egress: false },
  empty: { ingress: false, egress: false },
};

/** Reads the installation out of IstioOperators and the ConfigMap `istio`; each lays over what came before. */
export function installationOf(config: Pick<ConfigSnapshot, 'list' | 'get'>): Installation {
  const operators = config.list('IstioOperator');
  const specs = operators.map((o) => o.spec);
  const profile = PROFILES[specs.findLast((s) => s.profile)?.profile ?? ''] ?? PROFILES['']!;
  const namespace = specs.findLast((s) => s.namespace)?.namespace ?? CONTROL_NAMESPACE;
  const rawMesh = operators.map((o) => (o.raw.spec as { meshConfig?: Json } | undefined)?.meshConfig ?? {});
  const written = [configMapMesh(config, namespace), ...rawMesh].map((mesh) => withJsonNames(meshConfigSchema, mesh));
  const meshConfig = [MESH_DEFAULTS, ...(written as Json[])].reduce(merge, {});
  const gateways = [
    ...gatewaysOf('ingress', specs, profile.ingress, namespace),
    ...gatewaysOf('egress', specs, profile.egress, namespace),
  ];
  const pilotEnv: Record<string, string> = {};
  for (const { components, values } of specs) {
    for (const { name, value } of components?.pilot?.k8s?.env ?? []) if (value !== undefined) pilotEnv[name] = value;
    const fromValues = (values as { pilot?: { env?: Json } } | undefined)?.pilot?.env ?? {};
    for (const [name, value] of Object.entries(fromValues)) pilotEnv[name] = String(value);
  }
  return { namespace, meshConfig, pilotEnv, objects: gateways.flatMap(objectsOf) };
}

/** The `mesh` of the ConfigMap `istio`, which the store has found to be valid. */
function configMapMesh(config: Pick<ConfigSnapshot, 'get'>, namespace: string): Json {
  const text = config.get('ConfigMap', namespace, 'istio')?.spec.data?.mesh;
  const value = text === undefined ? undefined : parseYaml(text, 'istio').documents[0]?.value;
  return isPlain(value) ? value : {};
}

function merge(base: Json, over: Json): Json {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isPlain(below) && isPlain(value) ? merge(below, value) : value;
  }
  return result;
}

function isPlain(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface Gateway {
  readonly direction: 'ingress' | 'egress';
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly component: GatewayComponent | undefined;
  /** Secrets that are mounted besides the usual ones. */
  readonly secretVolumes: readonly SecretVolume[];
}

/** `values.gateways.istio-egressgateway.secretVolumes` of Istio's charts. */
interface SecretVolume {
  readonly name: string;
  readonly secretName: string;
  readonly mountPath: string;
}

function gatewaysOf(
  direction: Gateway['direction'],
  specs: readonly IstioOperatorSpec[],
  byDefault: boolean,
  namespace: string,
): Gateway[] {
  const usual = `istio-${direction}gateway`;
  const found = new Map<string, { enabled: boolean; component: GatewayComponent | undefined }>([
    [`${namespace}/${usual}`, { enabled: byDefault, component: undefined }],
  ]);
  for (const { components } of specs) {
    for (const component of components?.[`${direction}Gateways`] ?? []) {
      const key = `${component.namespace ?? namespace}/${component.name ?? usual}`;
      const before = found.get(key);
      found.set(key, { enabled: component.enabled ?? before?.enabled ?? true, component });
    }
  }
  return [...found].flatMap(([key, { enabled, component }]): Gateway[] => {
    if (!enabled) return [];
    const [ns = '', name = ''] = key.split('/');
    const labels = { app: name, istio: name.replace(/^istio-/, ''), ...component?.label };
    return [{ direction, name, namespace: ns, labels, component, secretVolumes: secretVolumes(specs, usual) }];
  });
}

/** Ports of the gateways' Services in Istio's own charts. */
const PORTS = {
  ingress: [
    { name: 'status-port', port: 15021, targetPort: 15021 },
    { name: 'http2', port: 80, targetPort: 8080 },
    { name: 'https', port: 443, targetPort: 8443 },
    { name: 'tcp', port: 31400, targetPort: 31400 },
    { name: 'tls', port: 15443, targetPort: 15443 },
  ],
  egress: [
    { name: 'http2', port: 80, targetPort: 8080 },
    { name: 'https', port: 443, targetPort: 8443 },
  ],
};

/** Those of the last IstioOperator that names any, as a later list replaces an earlier one in Helm. */
function secretVolumes(specs: readonly IstioOperatorSpec[], gateway: string): SecretVolume[] {
  const lists = specs.map(({ values }) => {
    const { gateways } = (values ?? {}) as { readonly gateways?: Json };
    return (gateways?.[gateway] as Json | undefined)?.secretVolumes;
  });
  const list = lists.findLast((found) => Array.isArray(found)) as unknown[] | undefined;
  return (list ?? []).flatMap((entry): SecretVolume[] => {
    const { name, secretName, mountPath } = (entry ?? {}) as Record<string, unknown>;
    const isWhole = typeof name === 'string' && typeof secretName === 'string' && typeof mountPath === 'string';
    return isWhole ? [{ name, secretName, mountPath }] : [];
  });
}

/** Folders in which gateways of old find certificates, and the Secrets that they are mounted from. */
function certificateVolumes({ direction, name, secretVolumes }: Gateway) {
  const usual = ['certs', 'ca-certs'].map((kind) => ({
    volume: `${direction}gateway-${kind}`,
    secretName: `${name}-${kind}`,
    mountPath: `/etc/istio/${direction}gateway-${kind}`,
  }));
  const further = secretVolumes.map(({ name: volume, secretName, mountPath }) => ({ volume, secretName, mountPath }));
  const kinds = [...usual.filter(({ volume }) => !further.some((f) => f.volume === volume)), ...further];
  return {
    volumes: kinds.map(({ volume, secretName }) => ({ name: volume, secret: { secretName, optional: true } })),
    volumeMounts: kinds.map(({ volume, mountPath }) => ({ name: volume, mountPath, readOnly: true })),
  };
}

function objectsOf(gateway: Gateway): Json[] {
  const { direction, name, namespace, labels, component } = gateway;
  const { k8s } = component ?? {};
  const serviceAccount = `${name}-service-account`;
  const { volumes, volumeMounts } = certificateVolumes(gateway);
  const env = (k8s?.env ?? []).map(({ name: variable, value, valueFrom }) => ({ name: variable, value, valueFrom }));
  const metadata = { name, namespace, labels };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: serviceAccount, namespace, labels } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: k8s?.replicaCount ?? 1,
        selector: { matchLabels: labels },
        template: {
          metadata: {
            labels: { ...labels, 'service.istio.io/canonical-name': name, 'sidecar.istio.io/inject': 'false' },
            annotations: { 'inject.istio.io/templates': 'gateway', ...k8s?.podAnnotations },
          },
          spec: {
            serviceAccountName: serviceAccount,
            containers: [{ name: 'istio-proxy', image: 'auto', env, volumeMounts }],
            volumes,
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...metadata, annotations: { ...k8s?.serviceAnnotations } },
      spec: {
        type: direction === 'ingress' ? 'LoadBalancer' : 'ClusterIP',
        selector: labels,
        ports: PORTS[direction],
        ...k8s?.service,
      },
    },
  ];
}
