import { Headers } from '../../../wire/headers.ts';
import type { StreamHandler } from '../../../wire/http.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import type { Timers } from '../../timers.ts';
import type { Cancelable } from '../cluster.ts';
import { CheckConnection } from './check-connection.ts';
import type { HttpCheckConfig, StatusRange } from './config.ts';
import { containsInOrder, NETWORK_FAILURE, PASSED, type Probe, type ProbeContext, type ProbeResult } from './probe.ts';
import type { HealthCheckStats } from './stats.ts';

/** Asks for a path and judges the status, and the body where something is expected of it. */
export class HttpProbe implements Probe {
  readonly #config: HttpCheckConfig;
  readonly #context: ProbeContext;
  readonly #timers: Timers;
  readonly #stats: HealthCheckStats;
  #connecting: Cancelable | undefined = undefined;
  #connection: CheckConnection | undefined = undefined;
  #exchange: Exchange | undefined = undefined;

  constructor(config: HttpCheckConfig, context: ProbeContext, timers: Timers, stats: HealthCheckStats) {
    this.#config = config;
    this.#context = context;
    this.#timers = timers;
    this.#stats = stats;
  }

  start(done: (result: ProbeResult) => void): void {
    if (this.#connection?.usable) {
      this.#send(this.#connection, done);
      return;
    }
    this.#connection?.close();
    this.#connecting = this.#context.connect({
      onConnected: (socket) => {
        this.#connecting = undefined;
        this.#connection = new CheckConnection(socket, this.#config.http2);
        this.#send(this.#connection, done);
      },
      onFailed: () => {
        this.#connecting = undefined;
        done(NETWORK_FAILURE);
      },
    });
  }

  #send(connection: CheckConnection, done: (result: ProbeResult) => void): void {
    const { method, body } = this.#config;
    const exchange = new Exchange(this.#config, this.#stats, (result, keep) => {
      if (this.#exchange === exchange) this.#exchange = undefined;
      if (!keep || !this.#context.reuseConnection) connection.close();
      done(result);
    });
    this.#exchange = exchange;
    const stream = connection.open(exchange);
    const headers = this.#headers(connection);
    if (body === undefined) stream.sendHeaders(headers, true);
    else {
      if (!headers.has('content-length') && method !== 'HEAD') headers.set('content-length', String(body.length));
      stream.sendHeaders(headers, false);
      stream.sendData(body, true);
    }
  }

  #headers(connection: CheckConnection): Headers {
    const { host, clusterName } = this.#context;
    const { method, path, host: configured, headers: edit } = this.#config;
    const authority = host.description.healthCheckHostname || configured || clusterName;
    const headers = Headers.request(method, path, authority, 'user-agent', 'Envoy/HC');
    headers.scheme = connection.connection.tls === undefined ? 'http' : 'https';
    if (edit !== undefined) {
      const info = new StreamInfo(connection.connection, this.#timers.now(), this.#timers.wallClock());
      info.upstreamHost = host;
      edit(headers, info);
    }
    return headers;
  }

  abort(): void {
    this.#connecting?.cancel();
    this.#connecting = undefined;
    this.#exchange?.giveUp();
    this.#exchange = undefined;
    this.#connection?.close();
    this.#connection = undefined;
  }

  close(): void {
    this.abort();
  }
}

/** One request and what comes of it. */
class Exchange implements StreamHandler {
  readonly #config: HttpCheckConfig;
  readonly #stats: HealthCheckStats;
  #done: ((result: ProbeResult, keep: boolean) => void) | undefined;
  #headers: Headers | undefined = undefined;
  #body: Uint8Array[] = [];
  #bodyBytes = 0;

  constructor(config: HttpCheckConfig, stats: HealthCheckStats, done: (result: ProbeResult, keep: boolean) => void) {
    this.#config = config;
    this.#stats = stats;
    this.#done = done;
  }

  giveUp(): void {
    this.#done = undefined;
  }

  #finish(result: ProbeResult, keep: boolean): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(result, keep);
  }

  onHeaders(headers: Headers, end: boolean): void {
    this.#headers = headers;
    if (end) this.#finish(this.#judge(headers), true);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    const { bufferSize, expect } = this.#config;
    if (expect.length > 0 && (bufferSize === 0 || this.#bodyBytes < bufferSize)) {
      this.#body.push(chunk);
      this.#bodyBytes += chunk.length;
    }
    if (end) this.#finish(this.#judge(this.#headers!), true);
  }

  onTrailers(): void {
    this.#finish(this.#judge(this.#headers!), true);
  }

  onReset(): void {
    this.#finish(NETWORK_FAILURE, false);
  }

  onError(): void {
    this.#finish(NETWORK_FAILURE, false);
  }

  onWriteBackpressure(): void {}

  #judge(headers: Headers): ProbeResult {
    const { status } = headers;
    const { expectedStatuses, retriableStatuses, serviceName, expect } = this.#config;
    const retriable = within(status, retriableStatuses);
    if (!within(status, expectedStatuses)) {
      return { kind: 'failed', retriable, status, excluded: headers.has('x-envoy-immediate-health-check-fail') };
    }
    if (expect.length > 0 && !containsInOrder(Buffer.concat(this.#body), expect)) {
      return { kind: 'failed', retriable, status, excluded: false };
    }
    if (serviceName !== undefined) {
      this.#stats.verify_cluster++;
      if (!serviceName(headers.get('x-envoy-upstream-healthchecked-cluster') ?? '')) {
        return { kind: 'failed', retriable: false, status, excluded: false };
      }
    }
    return headers.has('x-envoy-degraded') ? { kind: 'passed', degraded: true } : PASSED;
  }
}

function within(status: number, ranges: readonly StatusRange[]): boolean {
  return ranges.some(([start, end]) => status >= start && status < end);
}
