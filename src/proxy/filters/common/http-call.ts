import type { Headers } from '../../../wire/headers.ts';
import { type MessageError, type OutgoingStream, ResetReason } from '../../../wire/http.ts';
import type {
  Cancelable,
  Cluster,
  ClusterSource,
  LoadBalancerContext,
  UpstreamOptions,
  UpstreamStreamHandler,
} from '../../cluster/cluster.ts';
import type { Timer, Timers } from '../../timers.ts';

/** A request of the proxy's own, to a cluster. */
export interface HttpCall {
  readonly cluster: string;
  readonly headers: Headers;
  readonly body?: Uint8Array;
  /** Milliseconds for the response as a whole, retries included; 0 for no limit. */
  readonly timeoutMs: number;
  /** Bytes of body that are taken at most. */
  readonly maxBytes: number;
  readonly retry?: RetryLimits;
  /** Whether x-forwarded-for tells of this proxy; true unless told. */
  readonly forwardedFor?: boolean;
}

export interface RetryLimits {
  readonly count: number;
  /** Milliseconds. */
  readonly baseMs: number;
  readonly maxMs: number;
}

export interface HttpCallResponse {
  readonly headers: Headers;
  readonly body: Buffer;
}

/** Why there is no response. */
export type HttpCallFailure = 'no cluster' | 'no healthy upstream' | 'connection failure' | 'timeout' | 'too large';

export interface HttpCallContext {
  readonly clusters: ClusterSource;
  readonly timers: Timers;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Address of this proxy, which stands in x-forwarded-for of requests of its own. */
  readonly localAddress: string;
}

export type HttpCallResult = HttpCallResponse | HttpCallFailure;

const OPTIONS: UpstreamOptions = {
  priority: 'default',
  downstreamProtocol: 'HTTP/1.1',
  alpn: undefined,
  sni: undefined,
  subjectAltNames: undefined,
};

/** Sends a request and collects its response. `done` comes once, maybe from within, and never after `cancel`. */
export function callHttp(context: HttpCallContext, call: HttpCall, done: (result: HttpCallResult) => void): Cancelable {
  const running = new RunningCall(context, call, done);
  running.start();
  return running;
}

class RunningCall implements Cancelable {
  readonly #context: HttpCallContext;
  readonly #call: HttpCall;
  readonly #done: (result: HttpCallResult) => void;
  #attempt: Attempt | undefined = undefined;
  #retries = 0;
  #timeout: Timer | undefined = undefined;
  #backOff: Timer | undefined = undefined;
  #over = false;

  constructor(context: HttpCallContext, call: HttpCall, done: (result: HttpCallResult) => void) {
    this.#context = context;
    this.#call = call;
    this.#done = done;
  }

  start(): void {
    const { timeoutMs } = this.#call;
    if (timeoutMs > 0) this.#timeout = this.#context.timers.start(timeoutMs, () => this.#finish('timeout'));
    this.#try();
  }

  #try(): void {
    const cluster = this.#context.clusters.get(this.#call.cluster);
    if (cluster === undefined) {
      this.#finish('no cluster');
      return;
    }
    const attempt = new Attempt(this.#call, this.#headers(), cluster, (result) => this.#ended(result));
    this.#attempt = attempt;
    attempt.start();
  }

  #headers(): Headers {
    const { headers, timeoutMs, forwardedFor = true } = this.#call;
    const copy = headers.clone();
    copy.set('x-envoy-internal', 'true');
    if (forwardedFor) copy.append('x-forwarded-for', this.#context.localAddress);
    if (timeoutMs > 0) copy.set('x-envoy-expected-rq-timeout-ms', String(timeoutMs));
    return copy;
  }

  #ended(result: HttpCallResult): void {
    if (this.#over) return;
    const { retry } = this.#call;
    const failed = typeof result === 'string' ? result !== 'too large' : result.headers.status >= 500;
    if (!failed || retry === undefined || this.#retries >= retry.count) {
      this.#finish(result);
      return;
    }
    const { timers, random } = this.#context;
    const ceiling = Math.min(retry.maxMs, retry.baseMs * 2 ** this.#retries++);
    this.#backOff = timers.start(random() * ceiling, () => this.#try());
  }

  #finish(result: HttpCallResult): void {
    if (this.#over) return;
    this.cancel();
    this.#done(result);
  }

  cancel(): void {
    this.#over = true;
    this.#timeout?.cancel();
    this.#backOff?.cancel();
    this.#attempt?.cancel();
  }
}

class Attempt implements UpstreamStreamHandler {
  readonly #call: HttpCall;
  readonly #request: Headers;
  readonly #cluster: Cluster;
  readonly #done: (result: HttpCallResult) => void;
  #connecting: Cancelable | undefined = undefined;
  #stream: OutgoingStream | undefined = undefined;
  #headers: Headers | undefined = undefined;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #over = false;

  constructor(call: HttpCall, request: Headers, cluster: Cluster, done: (result: HttpCallResult) => void) {
    this.#call = call;
    this.#request = request;
    this.#cluster = cluster;
    this.#done = done;
  }

  start(): void {
    const balancing: LoadBalancerContext = {
      hash: undefined,
      metadataMatch: undefined,
      headers: this.#request,
      downstream: undefined,
      overrideAddress: undefined,
      rejects: () => false,
    };
    const host = this.#cluster.pick(balancing);
    if (host === undefined) {
      this.#finish('no healthy upstream');
      return;
    }
    const connecting = this.#cluster.openHttp(host, OPTIONS, this);
    if (!this.#over && this.#stream === undefined) this.#connecting = connecting;
  }

  onReady(stream: OutgoingStream): void {
    const { body } = this.#call;
    this.#connecting = undefined;
    this.#stream = stream;
    stream.sendHeaders(this.#request, body === undefined);
    if (body !== undefined && !this.#over) stream.sendData(body, true);
  }

  onFailure(): void {
    this.#connecting = undefined;
    this.#finish('connection failure');
  }

  onHeaders(headers: Headers, end: boolean): void {
    if (this.#over) return;
    this.#headers = headers;
    this.#cluster.stats.countResponse(headers.status, true);
    if (end) this.#respond();
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (this.#over) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#call.maxBytes) {
      this.cancel();
      this.#done('too large');
      return;
    }
    this.#chunks.push(chunk);
    if (end) this.#respond();
  }

  onTrailers(): void {
    this.#respond();
  }

  #respond(): void {
    this.#stream = undefined;
    this.#finish({ headers: this.#headers!, body: Buffer.concat(this.#chunks) });
  }

  onReset(): void {
    this.#stream = undefined;
    this.#finish('connection failure');
  }

  onError(_error: MessageError): void {
    this.#stream = undefined;
    this.#finish('connection failure');
  }

  onWriteBackpressure(): void {}

  #finish(result: HttpCallResult): void {
    if (this.#over) return;
    this.#over = true;
    this.#done(result);
  }

  cancel(): void {
    this.#over = true;
    this.#connecting?.cancel();
    this.#stream?.reset(ResetReason.LocalReset);
    this.#connecting = undefined;
    this.#stream = undefined;
  }
}
