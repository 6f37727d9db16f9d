import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { DatadogConfigSchema } from '../../../api/gen/envoy/config/trace/v3/datadog_pb.ts';
import { type Tracing_Http, Tracing_HttpSchema } from '../../../api/gen/envoy/config/trace/v3/http_tracer_pb.ts';
import {
  type OpenTelemetryConfig,
  OpenTelemetryConfigSchema,
} from '../../../api/gen/envoy/config/trace/v3/opentelemetry_pb.ts';
import { SkyWalkingConfigSchema } from '../../../api/gen/envoy/config/trace/v3/skywalking_pb.ts';
import { type ZipkinConfig, ZipkinConfigSchema } from '../../../api/gen/envoy/config/trace/v3/zipkin_pb.ts';
import { typeNameOf } from '../../../api/registry.ts';
import { encodeResource, encodeScope, encodeTraceRequest } from '../../../telemetry/otlp/encode.ts';
import type { ClusterSource } from '../../cluster/cluster.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { checkSupported } from '../../config/supported.ts';
import type { WorkerContext } from '../../context.ts';
import { VERSION } from '../../version.ts';
import { StatGroup } from '../stats.ts';
import { httpExport } from './collector.ts';
import { datadogTracer } from './datadog-config.ts';
import { MAX_PENDING_EXPORTS, SpanBuffer } from './exporter.ts';
import { OpenTelemetryTracer } from './open-telemetry.ts';
import { openTelemetryTarget } from './open-telemetry-config.ts';
import { skyWalkingTracer } from './skywalking-config.ts';
import type { TracerLease } from './span.ts';
import { TRACERS as SUPPORTED } from './supported.ts';
import { ZipkinTracer } from './zipkin.ts';
import { zipkinTarget } from './zipkin-config.ts';

const NO_GAUGES: ReadonlySet<string> = new Set();

/** Envoy's `tracing.opentelemetry.`. */
class OpenTelemetryStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  spans_dropped = 0;
  spans_sent = 0;
  timer_flushed = 0;
}

/** Envoy's `tracing.zipkin.`. */
class ZipkinStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  reports_dropped = 0;
  reports_failed = 0;
  reports_sent = 0;
  reports_skipped_no_cluster = 0;
  spans_sent = 0;
  timer_flushed = 0;
}

/** What a tracer asks of the runtime (`layered_runtime`). */
export interface TracingRuntime {
  number(key: string, otherwise: number): number;
}

interface Shared extends TracerLease {
  users: number;
}

const DEFAULT_MIN_FLUSH = 5;
const DEFAULT_INTERVAL_MS = 5000;
const ACCEPTED = 202;

const CLOCK = {
  now: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n,
};

/** The tracers of a worker: connection managers with the same provider share one, and its collector. */
export class Tracers {
  readonly #worker: WorkerContext;
  readonly #runtime: TracingRuntime;
  readonly #byDefault: Tracing_Http | undefined;
  readonly #shared = new Map<string, Shared>();

  /** `byDefault` is the bootstrap's `tracing.http`: for connection managers that trace and name no provider. */
  constructor(worker: WorkerContext, runtime: TracingRuntime, byDefault?: Tracing_Http) {
    this.#worker = worker;
    this.#runtime = runtime;
    this.#byDefault = byDefault;
  }

  /** The bootstrap's tracer; undefined if there is none, or something is wrong with it. */
  acquireDefault(clusters: ClusterSource, errors: ConfigErrors): TracerLease | undefined {
    return this.#byDefault && this.acquire(this.#byDefault, clusters, errors);
  }

  /** Undefined if something is wrong with the provider, which is in the errors then. */
  acquire(proto: Tracing_Http, clusters: ClusterSource, errors: ConfigErrors): TracerLease | undefined {
    const key = Buffer.from(toBinary(Tracing_HttpSchema, proto)).toString('latin1');
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      const made = this.#make(proto, clusters, errors);
      if (made === undefined || errors.any) return undefined;
      shared = { ...made, users: 0 };
      this.#shared.set(key, shared);
    }
    const held = shared;
    held.users++;
    let released = false;
    return {
      tracer: held.tracer,
      release: () => {
        if (released) return;
        released = true;
        if (--held.users > 0) return;
        this.#shared.delete(key);
        held.release();
      },
    };
  }

  #make({ name, configType }: Tracing_Http, clusters: ClusterSource, errors: ConfigErrors): TracerLease | undefined {
    const any = configType.value;
    const at = errors.at('typed_config');
    switch (typeNameOf(any?.typeUrl ?? '')) {
      case OpenTelemetryConfigSchema.typeName: {
        const proto = fromBinary(OpenTelemetryConfigSchema, any!.value);
        checkSupported(OpenTelemetryConfigSchema, proto, SUPPORTED, at);
        return this.#openTelemetry(proto, clusters, at);
      }
      case ZipkinConfigSchema.typeName: {
        const proto = fromBinary(ZipkinConfigSchema, any!.value);
        checkSupported(ZipkinConfigSchema, proto, SUPPORTED, at);
        return this.#zipkin(proto, clusters, at);
      }
      case DatadogConfigSchema.typeName: {
        const proto = fromBinary(DatadogConfigSchema, any!.value);
        checkSupported(DatadogConfigSchema, proto, SUPPORTED, at);
        return datadogTracer(proto, this.#worker, clusters, CLOCK, at);
      }
      case SkyWalkingConfigSchema.typeName: {
        const proto = fromBinary(SkyWalkingConfigSchema, any!.value);
        checkSupported(SkyWalkingConfigSchema, proto, SUPPORTED, at);
        return skyWalkingTracer(proto, this.#worker, clusters, CLOCK, at);
      }
      default:
        errors.add('', `${any?.typeUrl || name} is not supported`);
        return undefined;
    }
  }

  #limits(kind: 'opentelemetry' | 'zipkin') {
    return {
      timers: this.#worker.timers,
      minFlush: this.#runtime.number(`tracing.${kind}.min_flush_spans`, DEFAULT_MIN_FLUSH),
      intervalMs: this.#runtime.number(`tracing.${kind}.flush_interval_ms`, DEFAULT_INTERVAL_MS),
      maxPending: MAX_PENDING_EXPORTS,
    };
  }

  #openTelemetry(proto: OpenTelemetryConfig, clusters: ClusterSource, errors: ConfigErrors): TracerLease | undefined {
    const target = openTelemetryTarget(proto, this.#worker, clusters, errors);
    if (target === undefined) return undefined;
    const stats = this.#worker.stats.acquire('tracing.opentelemetry.', OpenTelemetryStats);
    const { group } = stats;
    const resource = encodeResource(target.resource);
    const scope = encodeScope('isthmus', VERSION);
    const buffer = new SpanBuffer({
      ...this.#limits('opentelemetry'),
      send(spans, done) {
        let lost = false;
        target.export(encodeTraceRequest(resource, scope, spans), (result) => {
          lost = result.kind === 'no cluster';
          done();
        });
        // As Envoy counts: what has left is sent, whatever the collector makes of it.
        if (lost) group.spans_dropped += spans.length;
        else group.spans_sent += spans.length;
      },
      onDropped: (spans) => (group.spans_dropped += spans),
      onTimer: () => group.timer_flushed++,
    });
    const tracer = new OpenTelemetryTracer(buffer, CLOCK, target.alwaysOn);
    return { tracer, release: () => end(buffer, stats) };
  }

  #zipkin(proto: ZipkinConfig, clusters: ClusterSource, errors: ConfigErrors): TracerLease | undefined {
    const zipkin = zipkinTarget(proto, errors);
    if (zipkin === undefined) return undefined;
    const { timers, random, node } = this.#worker;
    const stats = this.#worker.stats.acquire('tracing.zipkin.', ZipkinStats);
    const { group } = stats;
    const context = { clusters, timers, random, localAddress: node.localAddress };
    const type = zipkin.protobuf ? 'application/x-protobuf' : 'application/json';
    const send = httpExport(zipkin.target, type, context);
    const buffer = new SpanBuffer({
      ...this.#limits('zipkin'),
      send(spans, done) {
        group.spans_sent += spans.length;
        send(zipkin.protobuf ? Buffer.concat(spans) : jsonList(spans), (result) => {
          if (result.kind === 'no cluster') group.reports_skipped_no_cluster++;
          else if (result.kind === 'failed') group.reports_failed++;
          else if (result.status === ACCEPTED) group.reports_sent++;
          else group.reports_dropped++;
          done();
        });
      },
      onDropped: () => group.reports_dropped++,
      onTimer: () => group.timer_flushed++,
    });
    const options = { ...zipkin, serviceName: node.cluster, address: node.localAddress };
    return { tracer: new ZipkinTracer(options, buffer, CLOCK), release: () => end(buffer, stats) };
  }
}

function jsonList(spans: readonly Uint8Array[]): Buffer {
  const texts = spans.map((span) => Buffer.from(span).toString());
  return Buffer.from(`[${texts.join(',')}]`);
}

function end(buffer: SpanBuffer, stats: { release(): void }): void {
  buffer.close();
  stats.release();
}
