import type { Headers } from '../../../wire/headers.ts';

/** One operation of a trace, while it runs. A span that nobody samples is there as well: its ids travel on. */
export interface Span {
  /** 32 hexadecimal digits, or 16 where a tracer is told to; empty where logs are not to know. */
  readonly traceId: string;
  /** 16 hexadecimal digits, or empty. */
  readonly id: string;
  tag(name: string, value: string): void;
  rename(operation: string): void;
  /** Writes the context of the span into a request that is part of the operation. */
  inject(headers: Headers): void;
  /** A part of this operation that calls somebody else, at an address. */
  child(operation: string, address: string): Span;
  /** The operation is over: the span is on its way to whoever collects spans. */
  finish(): void;
}

export interface SpanStart {
  /** The request, which may carry the context of a trace. */
  readonly headers: Headers;
  /** The request is on its way out of the program that this proxy is for. */
  readonly egress: boolean;
  /** Every upstream request gets a span of its own. */
  readonly spawnsUpstream: boolean;
  /** Whether it is recorded, if nobody upstream in the trace has decided that. */
  readonly traced: boolean;
}

/** Makes the spans of requests (Envoy's tracing providers). */
export interface Tracer {
  /** Undefined if the request carries a context that cannot be read. */
  start(start: SpanStart): Span | undefined;
}

/** A share in a tracer that others use as well. */
export interface TracerLease {
  readonly tracer: Tracer;
  release(): void;
}

/** The spans of one request. */
export interface RequestTrace {
  readonly span: Span;
  /** The request carries the trace on to whom it goes to. */
  readonly propagates: boolean;
  /** The span of one upstream request; undefined if those have none of their own, unless `always`. `attempt` counts from 1. */
  spawn(clusterName: string, attempt: number, address: string, always: boolean): UpstreamTrace | undefined;
  /** The exchange is over and its account complete. */
  finish(): void;
}

/** The span of one upstream request, and what is known of that. */
export interface UpstreamTrace {
  readonly span: Span;
  /** 0 while there is no response. */
  status: number;
  /** Bits of ResponseFlag. */
  flags: number;
  /** What Envoy calls the reason; empty for none. */
  failure: string;
  /** It was given up from here. */
  canceled: boolean;
  protocol: string;
  /** Headers of the response, or trailers where those came. */
  response: Headers | undefined;
  finish(): void;
}
