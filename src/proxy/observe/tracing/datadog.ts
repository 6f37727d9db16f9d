import { type DatadogSpan as Encoded, encodeTraceChunk } from '../../../telemetry/datadog/encode.ts';
import type { Headers } from '../../../wire/headers.ts';
import {
  type DatadogContext,
  extractContext,
  injectContext,
  NO_DECISION,
  Priority,
  Sampler,
  TRACE_ID_TAG,
} from './datadog-propagation.ts';
import type { SpanBuffer } from './exporter.ts';
import { randomId } from './ids.ts';
import type { SpanClock } from './open-telemetry.ts';
import type { Span, SpanStart, Tracer } from './span.ts';

export interface DatadogOptions {
  readonly serviceName: string;
  /** What all spans of this process say of it. */
  readonly process: { readonly id: number; readonly runtimeId: string; readonly version: string };
}

const NAME = 'envoy.proxy';
const LANGUAGE = 'nodejs';

/** Spans as Datadog has them; contexts are told in Datadog's headers and those of W3C (`envoy.tracers.datadog`). */
export class DatadogTracer implements Tracer {
  readonly #options: DatadogOptions;
  readonly #buffer: SpanBuffer;
  readonly #clock: SpanClock;
  readonly #sampler: Sampler;

  constructor(options: DatadogOptions, buffer: SpanBuffer, clock: SpanClock, sampler: Sampler) {
    this.#options = options;
    this.#buffer = buffer;
    this.#clock = clock;
    this.#sampler = sampler;
  }

  start({ headers, egress, traced }: SpanStart): Span {
    const operation = egress ? `egress ${headers.authority}` : 'ingress';
    const given = extractContext(headers);
    const context = given ?? newContext(this.#clock.now());
    const segment = new Segment(context, given, traced, this.#options, this.#buffer, this.#clock, this.#sampler);
    return segment.begin(operation, context.parentId, given === undefined ? context.traceId : undefined);
  }
}

/** The first half of a new trace's id is when it began, in seconds; the last half is that of its first span. */
function newContext(now: bigint): DatadogContext {
  const seconds = Number(now / 1_000_000_000n);
  const traceIdHigh = `${seconds.toString(16).padStart(8, '0')}00000000`;
  return {
    ...NO_DECISION,
    traceId: BigInt(`0x${randomId(8).toString('hex')}`) & 0x7fff_ffff_ffff_ffffn || 1n,
    traceIdHigh,
    parentId: 0n,
    tags: new Map([[TRACE_ID_TAG, traceIdHigh]]),
  };
}

/** The spans of one trace in this process. They leave together, when the last of them is over. */
class Segment {
  readonly #context: DatadogContext;
  readonly #extracted: boolean;
  readonly #traced: boolean;
  readonly #options: DatadogOptions;
  readonly #buffer: SpanBuffer;
  readonly #sampler: Sampler;
  readonly clock: SpanClock;
  readonly #spans: DatadogSpan[] = [];
  #open = 0;
  /** Undefined until somebody needs to know. */
  #decision: { readonly priority: number; readonly agentRate: number | undefined } | undefined = undefined;
  readonly #tags: Map<string, string>;

  constructor(
    context: DatadogContext,
    given: DatadogContext | undefined,
    traced: boolean,
    options: DatadogOptions,
    buffer: SpanBuffer,
    clock: SpanClock,
    sampler: Sampler,
  ) {
    this.#context = context;
    this.#extracted = given?.priority !== undefined;
    this.#traced = traced;
    this.#options = options;
    this.#buffer = buffer;
    this.clock = clock;
    this.#sampler = sampler;
    this.#tags = new Map(context.tags);
  }

  begin(operation: string, parentId: bigint, id = BigInt(`0x${randomId(8).toString('hex')}`) >> 1n || 1n): DatadogSpan {
    const span = new DatadogSpan(this, operation, id, parentId);
    this.#spans.push(span);
    this.#open++;
    return span;
  }

  #decide() {
    if (this.#decision !== undefined) return this.#decision;
    if (this.#extracted) {
      this.#decision = { priority: this.#context.priority!, agentRate: undefined };
      return this.#decision;
    }
    if (!this.#traced) {
      this.#decision = { priority: Priority.UserDrop, agentRate: undefined };
      return this.#decision;
    }
    const { keep, rate, mechanism } = this.#sampler.decide(this.#context.traceId);
    this.#decision = { priority: keep ? Priority.AutoKeep : Priority.AutoDrop, agentRate: rate };
    if (keep) this.#tags.set('_dd.p.dm', mechanism);
    if (keep && mechanism === Sampler.byAgent) this.#tags.set('_dd.p.ksr', String(rate));
    return this.#decision;
  }

  inject(headers: Headers, id: bigint): void {
    const { priority } = this.#decide();
    injectContext(headers, this.#context, id, priority, this.#tags);
  }

  finish(): void {
    if (--this.#open > 0) return;
    const { priority, agentRate } = this.#decide();
    const { process, serviceName } = this.#options;
    const { traceId, origin, w3cParent, damaged } = this.#context;
    const encoded = this.#spans.map((span, i): Encoded => {
      const { meta } = span;
      const metrics = new Map([['process_id', process.id]]);
      meta.set('language', LANGUAGE);
      meta.set('runtime-id', process.runtimeId);
      meta.set('version', process.version);
      if (origin !== '') meta.set('_dd.origin', origin);
      if (i === 0) {
        for (const [name, value] of this.#tags) meta.set(name, value);
        if (damaged) meta.set('_dd.propagation_error', 'decoding_error');
        if (w3cParent !== undefined) meta.set('_dd.parent_id', w3cParent);
        metrics.set('_sampling_priority_v1', priority);
        if (agentRate !== undefined) metrics.set('_dd.agent_psr', agentRate);
      }
      const { operation: resource, number: spanId, parentId, start, end, failed } = span;
      const duration = end - start;
      return {
        service: serviceName,
        name: NAME,
        resource,
        traceId,
        spanId,
        parentId,
        start,
        duration,
        failed,
        meta,
        metrics,
      };
    });
    this.#buffer.add(encodeTraceChunk(encoded));
  }
}

class DatadogSpan implements Span {
  /** Envoy's tracer does not tell its ids to logs. */
  readonly traceId = '';
  readonly id = '';
  readonly number: bigint;
  readonly parentId: bigint;
  readonly start: bigint;
  readonly meta = new Map<string, string>();
  end = 0n;
  failed = false;
  operation: string;
  readonly #segment: Segment;

  constructor(segment: Segment, operation: string, id: bigint, parentId: bigint) {
    this.#segment = segment;
    this.operation = operation;
    this.number = id;
    this.parentId = parentId;
    this.start = segment.clock.now();
  }

  tag(name: string, value: string): void {
    if (name === 'error') this.failed = value === 'true';
    else this.meta.set(name, value);
    if (name === 'error.reason') this.meta.set('error.message', value);
  }

  rename(operation: string): void {
    this.operation = operation;
  }

  inject(headers: Headers): void {
    this.#segment.inject(headers, this.number);
  }

  child(operation: string): Span {
    return this.#segment.begin(operation, this.number);
  }

  finish(): void {
    this.end = this.#segment.clock.now();
    this.#segment.finish();
  }
}
