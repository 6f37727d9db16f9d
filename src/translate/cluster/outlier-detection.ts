import { create } from '@bufbuild/protobuf';
import { type Cluster, Cluster_CommonLbConfigSchema } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { OutlierDetectionSchema } from '../../api/gen/envoy/config/cluster/v3/outlier_detection_pb.ts';
import { PercentSchema } from '../../api/gen/envoy/type/v3/percent_pb.ts';
import type { OutlierDetection } from '../../config/kinds/shared/traffic-policy.ts';
import type { Features } from '../features.ts';
import { optionalDuration } from '../proto/values.ts';

/** Ejection of endpoints that fail (DestinationRule `outlierDetection`). Statistics of success rates never eject. */
export function applyOutlierDetection(
  cluster: Cluster,
  settings: OutlierDetection | undefined,
  features: Features,
): void {
  if (settings === undefined) return;
  const { consecutive5xxErrors, consecutiveGatewayErrors, consecutiveLocalOriginFailures } = settings;
  const splits = settings.splitExternalLocalOriginErrors === true;
  cluster.outlierDetection = create(OutlierDetectionSchema, {
    enforcingSuccessRate: 0,
    ...(consecutive5xxErrors === undefined
      ? {}
      : { consecutive5xx: consecutive5xxErrors, enforcingConsecutive5xx: enforced(consecutive5xxErrors) }),
    ...(consecutiveGatewayErrors === undefined
      ? {}
      : {
          consecutiveGatewayFailure: consecutiveGatewayErrors,
          enforcingConsecutiveGatewayFailure: enforced(consecutiveGatewayErrors),
        }),
    ...(settings.interval === undefined ? {} : { interval: optionalDuration(settings.interval)! }),
    ...(settings.baseEjectionTime === undefined
      ? {}
      : { baseEjectionTime: optionalDuration(settings.baseEjectionTime)! }),
    ...(settings.maxEjectionPercent ? { maxEjectionPercent: settings.maxEjectionPercent } : {}),
    ...(splits ? { splitExternalLocalOriginErrors: true, enforcingLocalOriginSuccessRate: 0 } : {}),
    ...(splits && consecutiveLocalOriginFailures
      ? {
          consecutiveLocalOriginFailure: consecutiveLocalOriginFailures,
          enforcingConsecutiveLocalOriginFailure: 100,
        }
      : {}),
  });
  // With unready endpoints in the cluster, panic would send to them.
  const minHealth = features.sendUnhealthyEndpoints ? 0 : (settings.minHealthPercent ?? 0);
  cluster.commonLbConfig ??= create(Cluster_CommonLbConfigSchema);
  cluster.commonLbConfig.healthyPanicThreshold = create(PercentSchema, { value: minHealth });
}

function enforced(count: number): number {
  return count > 0 ? 100 : 0;
}
