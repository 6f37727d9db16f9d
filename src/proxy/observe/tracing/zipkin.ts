import ipaddr from 'ipaddr.js';
import { encodeZipkinSpan } from '../../../telemetry/zipkin/encode.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { SpanBuffer } from './exporter.ts';
import { randomId } from './ids.ts';
import { type SpanClock, TRACEPARENT } from './open-telemetry.ts';
import type { Span, SpanStart, Tracer } from './span.ts';

/** How spans are told (`envoy.config.trace.v3.ZipkinConfig`). */
export interface ZipkinOptions {
  /** Ids of traces have 32 digits instead of 16. */
  readonly longIds: boolean;
  /** A server's span has the id of its client's. */
  readonly sharesContext: boolean;
  /** Contexts are read from, and written into, the headers of W3C Trace Context as well. */
  readonly w3c: boolean;
  readonly serviceName: string;
  readonly address: string;
  /** Spans are encoded as protobuf messages instead of JSON. */
  readonly protobuf: boolean;
}

interface Context {
  readonly traceId: string;
  readonly id: string;
  readonly parentId: string;
  readonly sampled: boolean;
  /** The id is, or may be, that of the client's span as well. */
  readonly shared: boolean;
}

/** What a request says of the trace that it is part of. */
type Given =
  | { readonly kind: 'none' | 'invalid' }
  | { readonly kind: 'decision'; readonly sampled: boolean }
  | {
      readonly kind: 'context';
      readonly traceId: string;
      readonly id: string;
      readonly parentId: string;
      readonly sampled: boolean | undefined;
    };

const TRACE_ID = /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/i;
const SPAN_ID = /^[0-9a-f]{16}$/i;

/** Spans as Zipkin has them, their contexts in B3 headers (`envoy.tracers.zipkin`). */
export class ZipkinTracer implements Tracer {
  readonly #options: ZipkinOptions;
  readonly #buffer: SpanBuffer;
  readonly #clock: SpanClock;

  constructor(options: ZipkinOptions, buffer: SpanBuffer, clock: SpanClock) {
    this.#options = options;
    this.#buffer = buffer;
    this.#clock = clock;
  }

  start({ headers, egress, spawnsUpstream, traced }: SpanStart): Span | undefined {
    let given = contextOf(headers);
    if (given.kind === 'none' && this.#options.w3c) given = w3cContext(headers.get('traceparent'));
    if (given.kind === 'invalid') return undefined;
    const server = !egress || spawnsUpstream;
    const shared = server && this.#options.sharesContext;
    const name = headers.authority;
    if (given.kind !== 'context') {
      const sampled = given.kind === 'decision' ? given.sampled : traced;
      const random = randomId(this.#options.longIds ? 16 : 8).toString('hex');
      // As Envoy has it, the last half of a new trace's id is that of its first span.
      return this.#span({ traceId: random, id: random.slice(-16), parentId: '', sampled, shared }, name, server);
    }
    const { traceId, id, parentId } = given;
    const sampled = given.sampled ?? traced;
    const context = shared
      ? { traceId, id, parentId, sampled, shared }
      : { traceId, id: randomId(8).toString('hex'), parentId: id, sampled, shared };
    return this.#span(context, name, server);
  }

  #span(context: Context, name: string, server: boolean): ZipkinSpan {
    return new ZipkinSpan(context, name, server, this.#options, this.#buffer, this.#clock);
  }
}

function contextOf(headers: Headers): Given {
  const single = headers.get('b3');
  if (single !== undefined) return singleContext(single);
  const traceId = headers.get('x-b3-traceid');
  const id = headers.get('x-b3-spanid');
  const sampled = sampledText(headers.get('x-b3-sampled'));
  if (traceId === undefined || id === undefined) {
    return sampled === undefined ? { kind: 'none' } : { kind: 'decision', sampled };
  }
  const parentId = headers.get('x-b3-parentspanid') ?? '';
  if (!TRACE_ID.test(traceId) || !SPAN_ID.test(id) || (parentId !== '' && !SPAN_ID.test(parentId))) {
    return { kind: 'invalid' };
  }
  return { kind: 'context', traceId, id, parentId, sampled };
}

function sampledText(sampled: string | undefined): boolean | undefined {
  return sampled === undefined || sampled === '' ? undefined : sampled === '1' || sampled === 'true';
}

/** `b3: TRACE-SPAN-SAMPLED-PARENT`, of which all but the first two may be missing, or a decision alone. */
function singleContext(text: string): Given {
  if (/^[01d]$/.test(text)) return { kind: 'decision', sampled: text !== '0' };
  const [traceId, id, sampled, parentId = ''] = text.split('-');
  if (!TRACE_ID.test(traceId) || !SPAN_ID.test(id ?? '')) return { kind: 'invalid' };
  if (parentId !== '' && !SPAN_ID.test(parentId)) return { kind: 'invalid' };
  return { kind: 'context', traceId, id, parentId, sampled: sampled === undefined ? undefined : sampled !== '0' };
}

function w3cContext(traceparent: string | undefined): Given {
  const match = TRACEPARENT.exec(traceparent ?? '');
  if (match === null) return { kind: 'none' };
  const sampled = (Number.parseInt(match[4], 16) & 1) === 1;
  return { kind: 'context', traceId: match[2], id: match[3], parentId: '', sampled };
}

class ZipkinSpan implements Span {
  readonly #context: Context;
  readonly #server: boolean;
  readonly #options: ZipkinOptions;
  readonly #buffer: SpanBuffer;
  readonly #clock: SpanClock;
  readonly #start: bigint;
  readonly #tags = new Map<string, string>();
  #name: string;

  constructor(
    context: Context,
    name: string,
    server: boolean,
    options: ZipkinOptions,
    buffer: SpanBuffer,
    clock: SpanClock,
  ) {
    this.#context = context;
    this.#name = name;
    this.#server = server;
    this.#options = options;
    this.#buffer = buffer;
    this.#clock = clock;
    this.#start = clock.now();
  }

  get traceId(): string {
    return this.#context.traceId;
  }

  get id(): string {
    return this.#context.id;
  }

  tag(name: string, value: string): void {
    if (this.#context.sampled) this.#tags.set(name, value);
  }

  rename(operation: string): void {
    this.#name = operation;
  }

  inject(headers: Headers): void {
    const { traceId, id, parentId, sampled } = this.#context;
    // A request that told its trace in one header goes on so.
    if (headers.has('b3')) {
      headers.set('b3', `${traceId}-${id}-${sampled ? 1 : 0}${parentId === '' ? '' : `-${parentId}`}`);
      return;
    }
    headers.set('x-b3-traceid', traceId);
    headers.set('x-b3-spanid', id);
    if (parentId !== '') headers.set('x-b3-parentspanid', parentId);
    headers.set('x-b3-sampled', sampled ? '1' : '0');
    if (!this.#options.w3c) return;
    headers.set('traceparent', `00-${traceId.padStart(32, '0')}-${id}-${sampled ? '01' : '00'}`);
  }

  child(operation: string): Span {
    const { traceId, id, sampled } = this.#context;
    return new ZipkinSpan(
      { traceId, id: randomId(8).toString('hex'), parentId: id, sampled, shared: false },
      operation,
      false,
      this.#options,
      this.#buffer,
      this.#clock,
    );
  }

  finish(): void {
    const { traceId, id, parentId, sampled, shared } = this.#context;
    if (!sampled) return;
    const end = this.#clock.now();
    const { address, serviceName, protobuf } = this.#options;
    if (protobuf) {
      this.#buffer.add(
        encodeZipkinSpan({
          traceId,
          parentId: parentId || undefined,
          id,
          kind: this.#server ? 'SERVER' : 'CLIENT',
          name: this.#name,
          timestamp: Number(this.#start / 1000n),
          duration: Math.max(1, Number((end - this.#start) / 1000n)),
          localEndpoint: { serviceName, address: Uint8Array.from(ipaddr.parse(address).toByteArray()) },
          annotation: { timestamp: Number(end / 1000n), value: this.#server ? 'ss' : 'cr' },
          tags: this.#tags,
          shared,
        }),
      );
      return;
    }
    const span = {
      traceId,
      ...(parentId === '' ? {} : { parentId }),
      id,
      kind: this.#server ? 'SERVER' : 'CLIENT',
      name: this.#name,
      timestamp: Number(this.#start / 1000n),
      duration: Math.max(1, Number((end - this.#start) / 1000n)),
      localEndpoint: { serviceName, [address.includes(':') ? 'ipv6' : 'ipv4']: address, port: 0 },
      annotations: [{ timestamp: Number(end / 1000n), value: this.#server ? 'ss' : 'cr' }],
      tags: Object.fromEntries(this.#tags),
      ...(shared ? { shared } : {}),
    };
    this.#buffer.add(Buffer.from(JSON.stringify(span)));
  }
}
