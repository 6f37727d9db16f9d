import type { Headers } from '../../../wire/headers.ts';
import { ResetReason } from '../../../wire/http.ts';
import { type FilterCallbacks, HeadersStatus } from '../../http/filter.ts';
import type { FlushQueue } from '../../net/flush-queue.ts';
import { StatGroup } from '../../observe/stats.ts';
import { BodyTransform } from '../common/body-transform.ts';
import { BodyTransformingFilter } from '../common/body-transforms.ts';
import type { DecompressorLibrary } from './libraries.ts';

/** What became of the messages of one direction (Envoy's `decompressor.LIBRARY.CODING.request.`). */
export class DecompressorStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set();
  decompressed = 0;
  not_decompressed = 0;
  total_compressed_bytes = 0;
  total_uncompressed_bytes = 0;
}

/** One direction. */
export interface Direction {
  readonly enabled: boolean;
  readonly ignoreNoTransform: boolean;
  readonly stats: DecompressorStats;
}

export interface DecompressorConfig {
  readonly library: DecompressorLibrary;
  readonly request: Direction;
  readonly response: Direction;
  /** Upstreams are told that they may compress. */
  readonly advertise: boolean;
  readonly flushQueue: FlushQueue;
}

/**
 * Decompresses requests and responses. What cannot be decompressed is refused, 400 for a request and a reset for a
 * response: the rest of it would be taken for the whole.
 */
export class DecompressorFilter extends BodyTransformingFilter {
  readonly #config: DecompressorConfig;
  readonly #callbacks: FilterCallbacks;

  constructor(config: DecompressorConfig, callbacks: FilterCallbacks) {
    super();
    this.#config = config;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers, end: boolean): HeadersStatus {
    const { advertise, library, request } = this.#config;
    if (advertise) advertiseCoding(headers, library.coding);
    this.request = this.#start(request, headers, end, true);
    return HeadersStatus.Continue;
  }

  #start(direction: Direction, headers: Headers, end: boolean, request: boolean): BodyTransform | undefined {
    const { library, flushQueue } = this.#config;
    const { enabled, ignoreNoTransform, stats } = direction;
    if (end) return undefined;
    const codings = (headers.getJoined('content-encoding') ?? '').split(',').map((coding) => coding.trim());
    const forbidden = !ignoreNoTransform && /no-transform/i.test(headers.getJoined('cache-control') ?? '');
    if (!enabled || forbidden || codings[0].toLowerCase() !== library.coding) {
      stats.not_decompressed++;
      return undefined;
    }
    stats.decompressed++;
    headers.remove('content-length');
    if (codings.length === 1) headers.remove('content-encoding');
    else headers.set('content-encoding', codings.slice(1).join(', '));
    let into = 0;
    let out = 0;
    const transform: BodyTransform = new BodyTransform(library.create(), request, this.#callbacks, flushQueue, {
      count: (more, result) => {
        into += more;
        out += result;
        stats.total_compressed_bytes += more;
        stats.total_uncompressed_bytes += result;
        if (out <= into * library.maxRatio) return;
        transform.destroy();
        this.#refuse(request);
      },
      failed: () => this.#refuse(request),
    });
    return transform;
  }

  #refuse(request: boolean): void {
    if (!request) {
      this.#callbacks.resetStream(ResetReason.LocalReset, 'decompression_failed');
      return;
    }
    const body = 'the body cannot be decompressed';
    this.#callbacks.sendLocalReply({ status: 400, body, details: 'request_decompression_failed' });
  }

  responseHeaders(headers: Headers, end: boolean): HeadersStatus {
    this.response = this.#start(this.#config.response, headers, end, false);
    return HeadersStatus.Continue;
  }
}

/** Adds a coding to accept-encoding, in place of what the client said of it. */
function advertiseCoding(headers: Headers, coding: string): void {
  const others = (headers.getJoined('accept-encoding') ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '' && one.split(';', 1)[0].trim() !== coding);
  headers.set('accept-encoding', [...others, coding].join(','));
}
