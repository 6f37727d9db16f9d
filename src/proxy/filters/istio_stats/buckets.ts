import type { HistogramSeries, Series, SeriesLabels } from '../../observe/series-family.ts';
import type { CounterName, HistogramName, IstioMetrics } from './metrics.ts';
import type { Overrides } from './overrides.ts';
import { type Peers, peerLabels, securityPolicy } from './peers.ts';

/** The series that one kind of outcome counts in; undefined where the configuration drops the metric. */
export interface RequestSeries {
  readonly requests: Series | undefined;
  readonly duration: HistogramSeries | undefined;
  readonly requestBytes: HistogramSeries | undefined;
  readonly responseBytes: HistogramSeries | undefined;
}

export interface MessageSeries {
  readonly request: Series | undefined;
  readonly response: Series | undefined;
}

export interface ConnectionSeries {
  readonly opened: Series | undefined;
  readonly closed: Series | undefined;
  readonly sent: Series | undefined;
  readonly received: Series | undefined;
}

const NO_VALUES: readonly string[] = [];
/** Outcomes that are remembered for a pair of peers; they are found by their labels again when forgotten. */
const MAX_OUTCOMES = 256;

/** Everything that is counted between two peers. */
export class PeerBucket {
  readonly #metrics: IstioMetrics;
  readonly #overrides: Overrides;
  readonly #labels: SeriesLabels;
  readonly #policy: string;
  readonly #requests = new Map<string, RequestSeries>();
  /** The outcome before: most are like it. */
  #lastCode = -1;
  #lastFlags = '';
  #lastStatus = '';
  #lastGrpc = false;
  #last: RequestSeries | undefined = undefined;
  #messages: MessageSeries | undefined = undefined;
  readonly #connections = new Map<string, ConnectionSeries>();

  constructor(metrics: IstioMetrics, overrides: Overrides, peers: Peers) {
    this.#metrics = metrics;
    this.#overrides = overrides;
    this.#labels = peerLabels(peers);
    this.#policy = securityPolicy(peers);
  }

  /** `status` is the gRPC status, empty if there is none; `values` what the expressions have come to. */
  requests(
    grpc: boolean,
    code: number,
    status: string,
    flags: string,
    values: readonly string[] = NO_VALUES,
  ): RequestSeries {
    const plain = values.length === 0;
    if (
      plain &&
      this.#last !== undefined &&
      code === this.#lastCode &&
      flags === this.#lastFlags &&
      status === this.#lastStatus &&
      grpc === this.#lastGrpc
    ) {
      return this.#last;
    }
    const key = [grpc ? 'grpc' : 'http', code, status, flags, ...values].join('\0');
    const series = remember(this.#requests, key, () => this.#makeRequests(grpc, code, status, flags, values));
    if (plain) {
      this.#lastCode = code;
      this.#lastFlags = flags;
      this.#lastStatus = status;
      this.#lastGrpc = grpc;
      this.#last = series;
    }
    return series;
  }

  #makeRequests(grpc: boolean, code: number, status: string, flags: string, values: readonly string[]): RequestSeries {
    const labels: SeriesLabels = [
      ...this.#labels,
      ['request_protocol', grpc ? 'grpc' : 'http'],
      ['response_code', String(code)],
      ['grpc_response_status', status],
      ['response_flags', flags],
      ['connection_security_policy', this.#policy],
    ];
    return {
      requests: this.#counter('requests_total', labels, values),
      duration: this.#histogram('request_duration_milliseconds', labels, values),
      requestBytes: this.#histogram('request_bytes', labels, values),
      responseBytes: this.#histogram('response_bytes', labels, values),
    };
  }

  /** Messages of gRPC calls, which are counted before the outcome is known. */
  messages(values: readonly string[] = NO_VALUES): MessageSeries {
    if (this.#messages !== undefined) return this.#messages;
    const series = {
      request: this.#counter('request_messages_total', this.#labels, values),
      response: this.#counter('response_messages_total', this.#labels, values),
    };
    if (values.length === 0) this.#messages = series;
    return series;
  }

  connections(flags: string, values: readonly string[] = NO_VALUES): ConnectionSeries {
    return remember(this.#connections, [flags, ...values].join('\0'), () => {
      const labels: SeriesLabels = [
        ...this.#labels,
        ['request_protocol', 'tcp'],
        ['response_flags', flags],
        ['connection_security_policy', this.#policy],
      ];
      return {
        opened: this.#counter('tcp_connections_opened_total', labels, values),
        closed: this.#counter('tcp_connections_closed_total', labels, values),
        sent: this.#counter('tcp_sent_bytes_total', labels, values),
        received: this.#counter('tcp_received_bytes_total', labels, values),
      };
    });
  }

  #counter(metric: CounterName, labels: SeriesLabels, values: readonly string[]): Series | undefined {
    if (this.#overrides.isDropped(metric)) return undefined;
    return this.#metrics.counter(metric, this.#overrides.apply(metric, labels, values));
  }

  #histogram(metric: HistogramName, labels: SeriesLabels, values: readonly string[]): HistogramSeries | undefined {
    if (this.#overrides.isDropped(metric)) return undefined;
    return this.#metrics.histogram(metric, this.#overrides.apply(metric, labels, values));
  }
}

function remember<Made>(known: Map<string, Made>, key: string, make: () => Made): Made {
  let made = known.get(key);
  if (made === undefined) {
    if (known.size >= MAX_OUTCOMES) known.clear();
    known.set(key, (made = make()));
  }
  return made;
}
