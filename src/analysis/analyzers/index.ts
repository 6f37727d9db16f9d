import type { Analyzer } from '../analyzer.ts';
import { annotationsAnalyzer } from './annotations.ts';
import { applicationUidAnalyzer } from './application-uid.ts';
import { authorizationPoliciesAnalyzer } from './authorization-policies.ts';
import { blockedCidrsAnalyzer } from './blocked-cidrs.ts';
import { conditionsAnalyzer } from './conditions.ts';
import { deprecationAnalyzer } from './deprecation.ts';
import { destinationRuleCaAnalyzer } from './destination-rule-ca.ts';
import { destinationRuleSubsetsAnalyzer } from './destination-rule-subsets.ts';
import { doubleTlsAnalyzer } from './double-tls.ts';
import { duplicatesAnalyzer } from './duplicates.ts';
import { enrouteAnalyzer } from './enroute.ts';
import { envoyFilterAnalyzer } from './envoy-filter.ts';
import { externalControlPlaneAnalyzer } from './external-control-plane.ts';
import { gatewayApiVersionsAnalyzer } from './gateway-api-versions.ts';
import { gatewayCertificatesAnalyzer } from './gateway-certificates.ts';
import { gatewayConflictsAnalyzer } from './gateway-conflicts.ts';
import { gatewayPortsAnalyzer } from './gateway-ports.ts';
import { gatewayProtocolsAnalyzer } from './gateway-protocols.ts';
import { gatewayCredentialsAnalyzer, gatewaySecretsAnalyzer } from './gateway-secrets.ts';
import { httpOnTlsAnalyzer } from './http-on-tls.ts';
import { injectionAnalyzer } from './injection.ts';
import { injectionImageAnalyzer } from './injection-image.ts';
import { injectionImageAutoAnalyzer } from './injection-image-auto.ts';
import { kubernetesGatewaySelectorsAnalyzer } from './kubernetes-gateway-selectors.ts';
import { meshNetworksAnalyzer } from './mesh-networks.ts';
import { missingSniAnalyzer } from './missing-sni.ts';
import { multiServiceAnalyzer } from './multi-service.ts';
import { multiclusterServicesAnalyzer } from './multicluster-services.ts';
import { schemaAnalyzers } from './schema.ts';
import { serviceEntryAddressesAnalyzer } from './service-entry-addresses.ts';
import { serviceEntryProtocolsAnalyzer } from './service-entry-protocols.ts';
import { servicePortNamesAnalyzer } from './service-port-names.ts';
import { sidecarSelectorsAnalyzer } from './sidecar-selectors.ts';
import { telemetryLightstepAnalyzer } from './telemetry-lightstep.ts';
import { telemetryProvidersAnalyzer } from './telemetry-providers.ts';
import { telemetryDefaultsAnalyzer, telemetrySelectorsAnalyzer } from './telemetry-selectors.ts';
import { unusedDelegatesAnalyzer } from './unused-delegates.ts';
import { virtualServiceDestinationsAnalyzer } from './virtual-service-destinations.ts';
import { virtualServiceGatewayHostsAnalyzer } from './virtual-service-gateway-hosts.ts';
import { virtualServiceGatewaysAnalyzer } from './virtual-service-gateways.ts';
import { virtualServiceJwtClaimsAnalyzer } from './virtual-service-jwt-claims.ts';
import { virtualServiceMeshHostsAnalyzer } from './virtual-service-mesh-hosts.ts';
import { virtualServiceSubsetsAnalyzer } from './virtual-service-subsets.ts';
import { webhooksAnalyzer } from './webhooks.ts';

/** Every analyzer: Istio's in the order in which istioctl runs them, then those that Istio does not have. */
export const ANALYZERS: readonly Analyzer[] = [
  annotationsAnalyzer,
  blockedCidrsAnalyzer,
  authorizationPoliciesAnalyzer,
  conditionsAnalyzer,
  multiServiceAnalyzer,
  applicationUidAnalyzer,
  destinationRuleCaAnalyzer,
  destinationRuleSubsetsAnalyzer,
  deprecationAnalyzer,
  envoyFilterAnalyzer,
  externalControlPlaneAnalyzer,
  gatewayPortsAnalyzer,
  gatewayCertificatesAnalyzer,
  gatewaySecretsAnalyzer,
  gatewayConflictsAnalyzer,
  injectionAnalyzer,
  injectionImageAnalyzer,
  injectionImageAutoAnalyzer,
  kubernetesGatewaySelectorsAnalyzer,
  gatewayApiVersionsAnalyzer,
  meshNetworksAnalyzer,
  multiclusterServicesAnalyzer,
  servicePortNamesAnalyzer,
  sidecarSelectorsAnalyzer,
  virtualServiceMeshHostsAnalyzer,
  virtualServiceDestinationsAnalyzer,
  virtualServiceSubsetsAnalyzer,
  virtualServiceGatewaysAnalyzer,
  virtualServiceJwtClaimsAnalyzer,
  serviceEntryAddressesAnalyzer,
  serviceEntryProtocolsAnalyzer,
  webhooksAnalyzer,
  telemetryProvidersAnalyzer,
  telemetrySelectorsAnalyzer,
  telemetryDefaultsAnalyzer,
  telemetryLightstepAnalyzer,
  ...schemaAnalyzers,
  doubleTlsAnalyzer,
  duplicatesAnalyzer,
  enrouteAnalyzer,
  gatewayCredentialsAnalyzer,
  gatewayProtocolsAnalyzer,
  httpOnTlsAnalyzer,
  missingSniAnalyzer,
  virtualServiceGatewayHostsAnalyzer,
  unusedDelegatesAnalyzer,
];
