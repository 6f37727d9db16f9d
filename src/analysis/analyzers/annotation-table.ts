/** What an annotation of Istio may stand on, and whether it is on its way out. */
export interface AnnotationDefinition {
  /** Kinds of resources; `Any` is all. */
  readonly resources: readonly string[];
  readonly deprecated?: true;
}

const POD = { resources: ['Pod'] } as const;
const DEPRECATED_POD = { resources: ['Pod'], deprecated: true } as const;
const SERVICE = { resources: ['Service'] } as const;
const GATEWAY = { resources: ['Gateway'] } as const;
const WORKLOAD_ENTRY = { resources: ['WorkloadEntry'] } as const;
const ANY = { resources: ['Any'] } as const;

/** The annotations of Istio 1.31 (istio.io/docs/reference/config/annotations). */
export const ANNOTATIONS: Readonly<Record<string, AnnotationDefinition>> = {
  'alpha.istio.io/canonical-serviceaccounts': { resources: ['Service'], deprecated: true },
  'alpha.istio.io/kubernetes-serviceaccounts': { resources: ['Service'], deprecated: true },
  'ambient.istio.io/bypass-inbound-capture': POD,
  'ambient.istio.io/dns-capture': POD,
  'ambient.istio.io/redirection': POD,
  'ambient.istio.io/waypoint-inbound-binding': { resources: ['GatewayClass', 'Gateway'] },
  'galley.istio.io/analyze-suppress': ANY,
  'gateway.istio.io/controller-version': ANY,
  'gateway.istio.io/name-override': GATEWAY,
  'gateway.istio.io/service-account': GATEWAY,
  'inject.istio.io/templates': POD,
  'istio.io/autoRegistrationGroup': WORKLOAD_ENTRY,
  'istio.io/connectedAt': WORKLOAD_ENTRY,
  'istio.io/disconnectedAt': WORKLOAD_ENTRY,
  'istio.io/dry-run': { resources: ['AuthorizationPolicy'] },
  'istio.io/rev': POD,
  'istio.io/use-waypoint-canary-weight': { resources: ['Service', 'ServiceEntry', 'Namespace'] },
  'istio.io/workloadController': WORKLOAD_ENTRY,
  'kubernetes.io/ingress.class': { resources: ['Ingress'] },
  'networking.istio.io/exportTo': SERVICE,
  'networking.istio.io/service-type': GATEWAY,
  'networking.istio.io/traffic-distribution': { resources: ['Service', 'ServiceEntry'] },
  'prometheus.istio.io/merge-metrics': POD,
  'proxy.istio.io/config': POD,
  'proxy.istio.io/overrides': POD,
  'readiness.status.sidecar.istio.io/applicationPorts': POD,
  'readiness.status.sidecar.istio.io/failureThreshold': POD,
  'readiness.status.sidecar.istio.io/initialDelaySeconds': POD,
  'readiness.status.sidecar.istio.io/periodSeconds': POD,
  'sidecar.istio.io/agentLogLevel': POD,
  'sidecar.istio.io/bootstrapOverride': POD,
  'sidecar.istio.io/componentLogLevel': POD,
  'sidecar.istio.io/discoveryAddress': DEPRECATED_POD,
  'sidecar.istio.io/extraStatTags': DEPRECATED_POD,
  'sidecar.istio.io/inject': DEPRECATED_POD,
  'sidecar.istio.io/interceptionMode': POD,
  'sidecar.istio.io/logLevel': POD,
  'sidecar.istio.io/nativeSidecar': POD,
  'sidecar.istio.io/proxyCPU': POD,
  'sidecar.istio.io/proxyCPULimit': POD,
  'sidecar.istio.io/proxyImage': POD,
  'sidecar.istio.io/proxyImageType': POD,
  'sidecar.istio.io/proxyMemory': POD,
  'sidecar.istio.io/proxyMemoryLimit': POD,
  'sidecar.istio.io/rewriteAppHTTPProbers': POD,
  'sidecar.istio.io/statsCompression': POD,
  'sidecar.istio.io/statsEvictionInterval': POD,
  'sidecar.istio.io/statsFlushInterval': POD,
  'sidecar.istio.io/statsHistogramBins': POD,
  'sidecar.istio.io/statsHistogramBuckets': POD,
  'sidecar.istio.io/statsInclusionPrefixes': DEPRECATED_POD,
  'sidecar.istio.io/statsInclusionRegexps': DEPRECATED_POD,
  'sidecar.istio.io/statsInclusionSuffixes': DEPRECATED_POD,
  'sidecar.istio.io/status': POD,
  'sidecar.istio.io/userVolume': POD,
  'sidecar.istio.io/userVolumeMount': POD,
  'status.sidecar.istio.io/port': POD,
  'topology.istio.io/controlPlaneClusters': { resources: ['Namespace'] },
  'traffic.istio.io/nodeSelector': SERVICE,
  'traffic.sidecar.istio.io/excludeInboundPorts': POD,
  'traffic.sidecar.istio.io/excludeInterfaces': POD,
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': POD,
  'traffic.sidecar.istio.io/excludeOutboundPorts': POD,
  'traffic.sidecar.istio.io/includeInboundPorts': POD,
  'traffic.sidecar.istio.io/includeOutboundIPRanges': POD,
  'traffic.sidecar.istio.io/includeOutboundPorts': POD,
  'traffic.sidecar.istio.io/kubevirtInterfaces': POD,
};
