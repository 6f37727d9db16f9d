import { array, boolean, duration, enumOf, type Infer, int32, object, string } from '../../schema/index.ts';
import { httpRetry } from '../shared/http-policy.ts';
import { labelSelector } from '../shared/selector.ts';
import { clientTls } from '../shared/tls.ts';
import {
  connectionPool,
  localityLoadBalancer,
  outlierDetection,
  tcpKeepalive,
  zoneAwareLoadBalancer,
} from '../shared/traffic-policy.ts';
import { extensionProvider } from './extension-provider.ts';
import { meshProxyConfigSchema } from './proxy-schema.ts';

export type { ExtensionProvider } from './extension-provider.ts';
export { type MeshProxyConfig, meshProxyConfigSchema } from './proxy-schema.ts';

const tlsConfig = object({
  minProtocolVersion: enumOf('TLS_AUTO', 'TLSV1_2', 'TLSV1_3'),
  ecdhCurves: array(string()),
  cipherSuites: array(string()),
});

const visibility = enumOf('VISIBILITY_UNSPECIFIED', 'NONE', 'NAMESPACE', 'PUBLIC');

/** The configuration of a mesh (istio.mesh.v1alpha1.MeshConfig). */
export const meshConfigSchema = object(
  {
    proxyListenPort: int32(),
    proxyInboundListenPort: int32(),
    proxyHttpPort: int32(),
    connectTimeout: duration(),
    hboneIdleTimeout: duration(),
    protocolDetectionTimeout: duration(),
    tcpKeepalive,
    ingressClass: string(),
    ingressService: string(),
    ingressControllerMode: enumOf('UNSPECIFIED', 'OFF', 'DEFAULT', 'STRICT'),
    ingressSelector: string(),
    enableTracing: boolean(),
    accessLogFile: string(),
    accessLogFormat: string(),
    accessLogEncoding: enumOf('TEXT', 'JSON'),
    enableEnvoyAccessLogService: boolean(),
    disableEnvoyListenerLog: boolean(),
    defaultConfig: meshProxyConfigSchema,
    outboundTrafficPolicy: object({
      mode: enumOf('REGISTRY_ONLY', 'ALLOW_ANY', 'ALLOW_ANY_DYNAMIC_DNS'),
      tls: clientTls,
    }),
    inboundTrafficPolicy: object({ mode: enumOf('PASSTHROUGH', 'LOCALHOST') }),
    configSources: array(
      object({ address: string(), tlsSettings: clientTls, subscribedResources: array(enumOf('SERVICE_REGISTRY')) }),
    ),
    enableAutoMtls: boolean(),
    trustDomain: string(),
    trustDomainAliases: array(string()),
    caCertificates: array(
      object(
        { pem: string(), spiffeBundleUrl: string(), certSigners: array(string()), trustDomains: array(string()) },
        { oneOf: [['pem', 'spiffeBundleUrl']] },
      ),
    ),
    defaultServiceExportTo: array(string()),
    defaultVirtualServiceExportTo: array(string()),
    defaultDestinationRuleExportTo: array(string()),
    rootNamespace: string(),
    localityLbSetting: localityLoadBalancer,
    zoneAwareLbSetting: zoneAwareLoadBalancer,
    dnsRefreshRate: duration(),
    h2UpgradePolicy: enumOf('DO_NOT_UPGRADE', 'UPGRADE'),
    inboundClusterStatName: string(),
    outboundClusterStatName: string(),
    certificates: array(object({ secretName: string(), dnsNames: array(string()) })),
    serviceSettings: array(object({ settings: object({ clusterLocal: boolean() }), hosts: array(string()) })),
    serviceScopeConfigs: array(
      object({
        namespaceSelector: labelSelector,
        servicesSelector: labelSelector,
        scope: enumOf('LOCAL', 'GLOBAL'),
      }),
    ),
    enablePrometheusMerge: boolean(),
    verifyCertificateAtClient: boolean(),
    ca: object({ address: string(), tlsSettings: clientTls, requestTimeout: duration(), istiodSide: boolean() }),
    extensionProviders: array(extensionProvider),
    defaultProviders: object({ tracing: array(string()), metrics: array(string()), accessLogging: array(string()) }),
    discoverySelectors: array(labelSelector),
    pathNormalization: object({
      normalization: enumOf('DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'),
    }),
    defaultHttpRetryPolicy: httpRetry,
    meshMTLS: tlsConfig,
    tlsDefaults: tlsConfig,
    defaultTrafficPolicy: object({ connectionPool, outlierDetection }),
    serviceEntryVisibility: object({
      defaultVisibility: visibility,
      applyToSidecars: boolean(),
      policies: array(object({ visibility, matchingRules: array(object({ namespaceSelector: labelSelector })) })),
    }),
  },
  {
    protobufNames: true,
    removed: [
      'authPolicy',
      'disableMixerHttpReports',
      'disablePolicyChecks',
      'disableReportCalls',
      'enableClientSidePolicyCheck',
      'enableSdsTokenMount',
      'mixerCheckServer',
      'mixerReportServer',
      'policyCheckFailOpen',
      'rdsRefreshDelay',
      'reportBatchMaxEntries',
      'reportBatchMaxTime',
      'sdsRefreshDelay',
      'sdsUdsPath',
      'sdsUseK8sSaJwt',
      'sidecarToTelemetrySessionAffinity',
      'thriftConfig',
    ],
  },
);
export type MeshConfig = Infer<typeof meshConfigSchema>;
