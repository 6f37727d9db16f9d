import { encodeSpan, SpanFlag, SpanKind } from '../../../telemetry/otlp/encode.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { SpanBuffer } from './exporter.ts';
import { randomId } from './ids.ts';
import type { Span, SpanStart, Tracer } from './span.ts';

/** W3C Trace Context, section 3.2: version, trace, parent, flags. */
export const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);

/** Statuses of calls that are failures of the server. */
const GRPC_SERVER_ERRORS: ReadonlySet<string> = new Set(['2', '4', '12', '13', '14', '15']);

/** The clock that spans are dated by. */
export interface SpanClock {
  /** Nanoseconds since 1970. */
  now(): bigint;
}

/** Where a span stands in its trace. */
interface Context {
  readonly traceId: Buffer;
  readonly parentId: Buffer | undefined;
  readonly traceState: string;
  readonly sampled: boolean;
  readonly remote: boolean;
}

/** Spans as OpenTelemetry has them, their contexts as W3C Trace Context has them (`envoy.tracers.opentelemetry`). */
export class OpenTelemetryTracer implements Tracer {
  readonly #buffer: SpanBuffer;
  readonly #clock: SpanClock;
  readonly #alwaysOn: boolean;

  /** `alwaysOn`: what nobody upstream has decided on is recorded. */
  constructor(buffer: SpanBuffer, clock: SpanClock, alwaysOn = false) {
    this.#buffer = buffer;
    this.#clock = clock;
    this.#alwaysOn = alwaysOn;
  }

  start({ headers, egress, spawnsUpstream, traced }: SpanStart): Span | undefined {
    const name = egress ? `egress ${headers.authority}` : 'ingress';
    const kind = egress && !spawnsUpstream ? SpanKind.Client : SpanKind.Server;
    const given = headers.get('traceparent');
    if (given === undefined) {
      return this.#span(
        {
          traceId: randomId(16),
          parentId: undefined,
          traceState: '',
          sampled: traced || this.#alwaysOn,
          remote: false,
        },
        name,
        kind,
      );
    }
    const match = TRACEPARENT.exec(given);
    if (match === null || match[2] === NO_TRACE || match[3] === NO_SPAN) return undefined;
    return this.#span(
      {
        traceId: Buffer.from(match[2], 'hex'),
        parentId: Buffer.from(match[3], 'hex'),
        traceState: headers.getJoined('tracestate') ?? '',
        // A proxy that samples less than those before it records what both have chosen.
        sampled: traced && (Number.parseInt(match[4], 16) & 1) === 1,
        remote: true,
      },
      name,
      kind,
    );
  }

  #span(context: Context, name: string, kind: number): OpenTelemetrySpan {
    return new OpenTelemetrySpan(context, name, kind, this.#buffer, this.#clock);
  }
}

class OpenTelemetrySpan implements Span {
  readonly #context: Context;
  readonly #id = randomId(8);
  readonly #kind: number;
  readonly #buffer: SpanBuffer;
  readonly #clock: SpanClock;
  readonly #start: bigint;
  readonly #attributes = new Map<string, string>();
  #name: string;
  #failed = false;

  constructor(context: Context, name: string, kind: number, buffer: SpanBuffer, clock: SpanClock) {
    this.#context = context;
    this.#name = name;
    this.#kind = kind;
    this.#buffer = buffer;
    this.#clock = clock;
    this.#start = clock.now();
  }

  get traceId(): string {
    return this.#context.traceId.toString('hex');
  }

  get id(): string {
    return this.#id.toString('hex');
  }

  tag(name: string, value: string): void {
    if (!this.#context.sampled) return;
    this.#attributes.set(name, value);
    // What a status means is up to the side (OpenTelemetry's conventions for HTTP and gRPC spans).
    const client = this.#kind === SpanKind.Client;
    if (name === 'http.status_code') this.#failed ||= Number(value) >= (client ? 400 : 500);
    else if (name === 'grpc.status_code') this.#failed ||= client ? value !== '0' : GRPC_SERVER_ERRORS.has(value);
  }

  rename(operation: string): void {
    this.#name = operation;
  }

  inject(headers: Headers): void {
    const { traceState, sampled } = this.#context;
    headers.set('traceparent', `00-${this.traceId}-${this.#id.toString('hex')}-${sampled ? '01' : '00'}`);
    headers.set('tracestate', traceState);
  }

  child(operation: string): Span {
    const { traceId, traceState, sampled } = this.#context;
    return new OpenTelemetrySpan(
      { traceId, parentId: this.#id, traceState, sampled, remote: false },
      operation,
      SpanKind.Client,
      this.#buffer,
      this.#clock,
    );
  }

  finish(): void {
    const { traceId, parentId, traceState, sampled, remote } = this.#context;
    if (!sampled) return;
    const span = encodeSpan({
      traceId,
      spanId: this.#id,
      parentId,
      traceState,
      name: this.#name,
      kind: this.#kind,
      start: this.#start,
      end: this.#clock.now(),
      attributes: [...this.#attributes],
      failed: this.#failed,
      flags: SpanFlag.Sampled | SpanFlag.KnowsIfRemote | (remote ? SpanFlag.ParentIsRemote : 0),
    });
    this.#buffer.add(span);
  }
}
