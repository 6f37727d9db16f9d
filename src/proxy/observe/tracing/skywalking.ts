import { randomUUID } from 'node:crypto';
import {
  type SkyWalkingSpan as Encoded,
  encodeSegment,
  type SegmentReference,
  SpanType,
} from '../../../telemetry/skywalking/encode.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { SpanClock } from './open-telemetry.ts';
import type { Span, SpanStart, Tracer } from './span.ts';

export interface SkyWalkingOptions {
  readonly serviceName: string;
  readonly instanceName: string;
}

const HEADER = 'sw8';
/** Names that SkyWalking has for what others call differently. */
const RENAMED: Readonly<Record<string, string>> = { 'http.status_code': 'status_code', 'http.url': 'url' };

/** Spans as SkyWalking has them, their contexts in the header `sw8` (`envoy.tracers.skywalking`). */
export class SkyWalkingTracer implements Tracer {
  readonly #options: SkyWalkingOptions;
  readonly #report: (segment: Uint8Array) => void;
  readonly #clock: SpanClock;

  constructor(options: SkyWalkingOptions, report: (segment: Uint8Array) => void, clock: SpanClock) {
    this.#options = options;
    this.#report = report;
    this.#clock = clock;
  }

  start({ headers, traced }: SpanStart): Span | undefined {
    const given = headers.get(HEADER);
    // A context that cannot be read is none.
    const reference = given === undefined ? undefined : readContext(given);
    if (reference === undefined && !traced) return undefined;
    const segment = new Segment(reference, this.#options, this.#report, this.#clock);
    return segment.begin(headers.path, SpanType.Entry, -1, '');
  }
}

/** The spans of one request in this process. They leave together, when the last of them is over. */
class Segment {
  readonly traceId: string;
  readonly segmentId = randomUUID();
  readonly reference: SegmentReference | undefined;
  readonly options: SkyWalkingOptions;
  readonly #report: (segment: Uint8Array) => void;
  readonly #clock: SpanClock;
  readonly #spans: SkyWalkingSpan[] = [];
  #open = 0;

  constructor(
    reference: SegmentReference | undefined,
    options: SkyWalkingOptions,
    report: (segment: Uint8Array) => void,
    clock: SpanClock,
  ) {
    this.traceId = reference?.traceId ?? randomUUID();
    this.reference = reference;
    this.options = options;
    this.#report = report;
    this.#clock = clock;
  }

  /** Milliseconds since 1970. */
  now(): number {
    return Number(this.#clock.now() / 1_000_000n);
  }

  get endpoint(): string {
    return this.#spans[0].operation;
  }

  begin(operation: string, type: number, parentId: number, peer: string): SkyWalkingSpan {
    const span = new SkyWalkingSpan(this, this.#spans.length, parentId, type, operation, peer);
    this.#spans.push(span);
    this.#open++;
    return span;
  }

  finish(): void {
    if (--this.#open > 0) return;
    const { serviceName, instanceName } = this.options;
    const spans = this.#spans.map((span): Encoded => span.encoded());
    this.#report(encodeSegment(this, serviceName, instanceName, spans));
  }
}

class SkyWalkingSpan implements Span {
  /** Envoy's tracer does not tell its ids to logs. */
  readonly traceId = '';
  readonly id = '';
  readonly operation: string;
  readonly #segment: Segment;
  readonly #number: number;
  readonly #parentId: number;
  readonly #type: number;
  readonly #start: number;
  #end = 0;
  #peer: string;
  #failed = false;
  readonly #tags = new Map<string, string>();

  constructor(segment: Segment, id: number, parentId: number, type: number, operation: string, peer: string) {
    this.#segment = segment;
    this.#number = id;
    this.#parentId = parentId;
    this.#type = type;
    this.operation = operation;
    this.#peer = peer;
    this.#start = segment.now();
  }

  tag(name: string, value: string): void {
    if (name === 'peer.address') this.#peer = value;
    else this.#tags.set(RENAMED[name] ?? name, value);
    if (name === 'error') this.#failed ||= value === 'true';
  }

  /** Operations are called by their paths, as endpoints are. */
  rename(): void {}

  /** Only who calls somebody tells the context on: requests that have no span of their own keep what they came with. */
  inject(headers: Headers): void {
    if (this.#type !== SpanType.Exit) return;
    const { traceId, segmentId, options, endpoint } = this.#segment;
    const texts = [options.serviceName, options.instanceName, endpoint, this.#peer].map(base64);
    headers.set(HEADER, ['1', base64(traceId), base64(segmentId), this.#number, ...texts].join('-'));
  }

  child(_operation: string, address: string): Span {
    return this.#segment.begin(this.#segment.endpoint, SpanType.Exit, this.#number, address);
  }

  finish(): void {
    this.#end = this.#segment.now();
    this.#segment.finish();
  }

  encoded(): Encoded {
    return {
      id: this.#number,
      parentId: this.#parentId,
      start: this.#start,
      end: this.#end,
      reference: this.#number === 0 ? this.#segment.reference : undefined,
      operation: this.operation,
      peer: this.#peer,
      type: this.#type,
      failed: this.#failed,
      tags: this.#tags,
    };
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** `SAMPLE-TRACE-SEGMENT-SPAN-SERVICE-INSTANCE-ENDPOINT-PEER`, texts in base64 (version 3 of the header protocol). */
function readContext(header: string): SegmentReference | undefined {
  const parts = header.split('-');
  if (parts.length !== 8 || !/^[01]$/.test(parts[0]) || !/^\d{1,9}$/.test(parts[3])) return undefined;
  const text = (i: number) => Buffer.from(parts[i], 'base64').toString();
  return {
    traceId: text(1),
    segmentId: text(2),
    spanId: Number(parts[3]),
    service: text(4),
    instance: text(5),
    endpoint: text(6),
    peer: text(7),
  };
}
