import { array, boolean, double, duration, enumOf, type Infer, map, object, string } from '../../schema/index.ts';
import { providerReference, targetReference, workloadSelector } from '../shared/selector.ts';

const mode = enumOf('CLIENT_AND_SERVER', 'CLIENT', 'SERVER');

const customTag = object(
  {
    literal: object({ value: string() }),
    environment: object({ name: string(), defaultValue: string() }),
    header: object({ name: string(), defaultValue: string() }),
    formatter: object({ value: string() }),
  },
  { oneOf: [['literal', 'environment', 'header', 'formatter']] },
);
export type CustomTag = Infer<typeof customTag>;

const tracing = object({
  match: object({ mode }),
  providers: array(providerReference),
  randomSamplingPercentage: double(),
  disableSpanReporting: boolean(),
  customTags: map(customTag),
  useRequestIdForTraceSampling: boolean(),
  enableIstioTags: boolean(),
  disableContextPropagation: boolean(),
});
export type Tracing = Infer<typeof tracing>;

const metricsOverride = object({
  match: object(
    {
      metric: enumOf(
        'ALL_METRICS',
        'REQUEST_COUNT',
        'REQUEST_DURATION',
        'REQUEST_SIZE',
        'RESPONSE_SIZE',
        'TCP_OPENED_CONNECTIONS',
        'TCP_CLOSED_CONNECTIONS',
        'TCP_SENT_BYTES',
        'TCP_RECEIVED_BYTES',
        'GRPC_REQUEST_MESSAGES',
        'GRPC_RESPONSE_MESSAGES',
      ),
      customMetric: string(),
      mode,
    },
    { oneOf: [['metric', 'customMetric']] },
  ),
  disabled: boolean(),
  tagOverrides: map(object({ operation: enumOf('UPSERT', 'REMOVE'), value: string() })),
});
export type MetricsOverride = Infer<typeof metricsOverride>;

const metrics = object({
  providers: array(providerReference),
  overrides: array(metricsOverride),
  reportingInterval: duration(),
});
export type Metrics = Infer<typeof metrics>;

const accessLogging = object({
  match: object({ mode }),
  providers: array(providerReference),
  disabled: boolean(),
  filter: object({ expression: string() }),
});
export type AccessLogging = Infer<typeof accessLogging>;

export const telemetrySchema = object({
  selector: workloadSelector,
  targetRef: targetReference,
  targetRefs: array(targetReference),
  tracing: array(tracing),
  metrics: array(metrics),
  accessLogging: array(accessLogging),
});
export type TelemetrySpec = Infer<typeof telemetrySchema>;
