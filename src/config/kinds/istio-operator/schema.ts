import { any, array, boolean, type Infer, int32, map, object, string, struct } from '../../schema/index.ts';
import { meshConfigSchema } from '../mesh-config/schema.ts';
import { serviceSchema } from '../service/schema.ts';
import { environmentVariables } from '../shared/pod-spec.ts';

const notUsed = any();

/** Settings of a component's Kubernetes objects: those that mean something without a cluster are typed. */
const kubernetesSettings = object({
  env: environmentVariables,
  replicaCount: int32(),
  service: serviceSchema,
  serviceAnnotations: map(string()),
  podAnnotations: map(string()),
  affinity: notUsed,
  hpaSpec: notUsed,
  imagePullPolicy: notUsed,
  imagePullSecrets: notUsed,
  nodeSelector: notUsed,
  overlays: notUsed,
  podDisruptionBudget: notUsed,
  priorityClassName: notUsed,
  readinessProbe: notUsed,
  resources: notUsed,
  securityContext: notUsed,
  serviceAccount: notUsed,
  strategy: notUsed,
  tolerations: notUsed,
  volumeMounts: notUsed,
  volumes: notUsed,
});

const componentFields = {
  enabled: boolean(),
  namespace: string(),
  hub: string(),
  tag: any(),
  spec: notUsed,
  k8s: kubernetesSettings,
} as const;

const component = object(componentFields);

const gatewayComponent = object({ ...componentFields, name: string(), label: map(string()) });
export type GatewayComponent = Infer<typeof gatewayComponent>;

/** How Istio is installed (install.istio.io/v1alpha1 IstioOperator); `values` and what they mean is Helm's. */
export const istioOperatorSchema = object({
  profile: string(),
  namespace: string(),
  revision: string(),
  defaultRevision: boolean(),
  compatibilityVersion: string(),
  installPackagePath: string(),
  hub: string(),
  tag: any(),
  meshConfig: meshConfigSchema,
  components: object({
    base: component,
    pilot: component,
    proxy: component,
    cni: component,
    ztunnel: component,
    istiodRemote: component,
    ingressGateways: array(gatewayComponent),
    egressGateways: array(gatewayComponent),
  }),
  addonComponents: struct(),
  values: struct(),
  unvalidatedValues: struct(),
});
export type IstioOperatorSpec = Infer<typeof istioOperatorSchema>;
