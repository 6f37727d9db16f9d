import { array, boolean, enumOf, type Infer, integer, map, object, required, string } from '../../schema/index.ts';

/** `selector` of the security, telemetry and extension kinds (istio.type.v1beta1.WorkloadSelector). */
export const workloadSelector = object({ matchLabels: map(string()) });
export type WorkloadSelector = Infer<typeof workloadSelector>;

/** `workloadSelector` of the networking kinds (istio.networking.v1alpha3.WorkloadSelector). */
export const labelsSelector = object({ labels: map(string()) });
export type LabelsSelector = Infer<typeof labelsSelector>;

/** A resource that a policy is attached to (istio.type.v1beta1.PolicyTargetReference). */
export const targetReference = object({
  group: string(),
  kind: required(string()),
  name: required(string()),
  namespace: string(),
});
export type TargetReference = Infer<typeof targetReference>;

/** Kubernetes' meta/v1 LabelSelector, which MeshConfig's selectors share. */
export const labelSelector = object({
  matchLabels: map(string()),
  matchExpressions: array(object({ key: required(string()), operator: required(string()), values: array(string()) })),
});
export type LabelSelector = Infer<typeof labelSelector>;

/** Which side of a connection something applies to (istio.type.v1beta1.WorkloadMode). */
export const workloadMode = enumOf('UNDEFINED', 'CLIENT', 'SERVER', 'CLIENT_AND_SERVER');

/** Traffic that an extension applies to. */
export const trafficSelector = object({
  mode: workloadMode,
  ports: array(object({ number: integer(0, 2 ** 32 - 1) })),
});
export type TrafficSelector = Infer<typeof trafficSelector>;

/** A reference to an extension provider of the mesh configuration. */
export const providerReference = object({ name: string() });

/** google.protobuf.BoolValue inside an object of its own, as ProxyHeaders has several. */
export const disabledSwitch = object({ disabled: boolean() });
export const enabledSwitch = object({ enabled: boolean() });
