import { MsgpackWriter } from './msgpack.ts';

/** A span as Datadog's agent takes it (`/v0.4/traces`). */
export interface DatadogSpan {
  readonly service: string;
  readonly name: string;
  /** The operation. */
  readonly resource: string;
  /** The low half of the trace's id. */
  readonly traceId: bigint;
  readonly spanId: bigint;
  /** 0 for the first span of a trace. */
  readonly parentId: bigint;
  /** Nanoseconds since 1970, and nanoseconds. */
  readonly start: bigint;
  readonly duration: bigint;
  readonly failed: boolean;
  readonly meta: ReadonlyMap<string, string>;
  readonly metrics: ReadonlyMap<string, number>;
}

/** The spans of one trace that belong to one process. */
export function encodeTraceChunk(spans: readonly DatadogSpan[]): Uint8Array {
  const writer = new MsgpackWriter();
  writer.list(spans.length);
  for (const span of spans) {
    writer.map(12);
    writer.text('service').text(span.service);
    writer.text('name').text(span.name);
    writer.text('resource').text(span.resource);
    writer.text('trace_id').unsigned(span.traceId);
    writer.text('span_id').unsigned(span.spanId);
    writer.text('parent_id').unsigned(span.parentId);
    writer.text('start').unsigned(span.start);
    writer.text('duration').unsigned(span.duration);
    writer.text('error').unsigned(span.failed ? 1n : 0n);
    writer.text('meta').map(span.meta.size);
    for (const [name, value] of span.meta) writer.text(name).text(value);
    writer.text('metrics').map(span.metrics.size);
    for (const [name, value] of span.metrics) writer.text(name).double(value);
    writer.text('type').text('web');
  }
  return writer.finish();
}

/** The body of a report: a list of what {@link encodeTraceChunk} has made. */
export function encodeTraces(chunks: readonly Uint8Array[]): Uint8Array {
  const writer = new MsgpackWriter();
  writer.list(chunks.length);
  return Buffer.concat([writer.finish(), ...chunks]);
}
