import type { Headers } from '../../../wire/headers.ts';
import { type FilterCallbacks, HeadersStatus } from '../../http/filter.ts';
import type { FlushQueue } from '../../net/flush-queue.ts';
import { BodyTransform } from '../common/body-transform.ts';
import { BodyTransformingFilter } from '../common/body-transforms.ts';
import { type Choice, chooseCoding, type Offer } from './accept-encoding.ts';
import type { CompressorLibrary } from './libraries.ts';
import type { CompressorHeaderStats, CompressorStats } from './stats.ts';

/** What is compressed in one direction. */
export interface Direction {
  readonly enabled: boolean;
  readonly minBytes: number;
  /** In lower case. */
  readonly contentTypes: ReadonlySet<string>;
  readonly stats: CompressorStats;
}

export interface CompressorConfig {
  readonly library: CompressorLibrary;
  readonly offer: Offer;
  readonly request: Direction;
  readonly response: Direction;
  readonly disableOnEtag: boolean;
  readonly removeAcceptEncoding: boolean;
  readonly headerStats: CompressorHeaderStats;
  readonly flushQueue: FlushQueue;
}

/** What a route says. */
export interface RouteCompressor {
  readonly disabled: boolean;
  /** Responses are compressed whatever the filter says. */
  readonly response: boolean;
  readonly removeAcceptEncoding: boolean | undefined;
}

/** Under which name the compressors of a chain know each other. */
const OFFERS = 'isthmus.compressors';

interface Offers {
  readonly all: Offer[];
  choice: Choice | undefined;
}

/** The content type without its parameters. */
function mediaType(headers: Headers): string | undefined {
  return headers.get('content-type')?.split(';', 1)[0].trim().toLowerCase();
}

/** Whether bodies of a media type are meant: no types mean all, and a body without one is of any. */
export function takesType(types: ReadonlySet<string>, type: string | undefined): boolean {
  return type === undefined || types.size === 0 || types.has(type);
}

/** Compresses responses for clients that want it, and requests. */
export class CompressorFilter extends BodyTransformingFilter {
  readonly #config: CompressorConfig;
  readonly #route: RouteCompressor | undefined;
  readonly #callbacks: FilterCallbacks;
  readonly #offers: Offers;
  #acceptEncoding: string | undefined = undefined;

  constructor(config: CompressorConfig, route: RouteCompressor | undefined, callbacks: FilterCallbacks) {
    super();
    this.#config = config;
    this.#route = route;
    this.#callbacks = callbacks;
    const known = callbacks.info.filterState?.get(OFFERS) as Offers | undefined;
    this.#offers = known ?? { all: [], choice: undefined };
    if (known === undefined) callbacks.info.setFilterState(OFFERS, this.#offers);
    this.#offers.all.push(config.offer);
  }

  requestHeaders(headers: Headers, end: boolean): HeadersStatus {
    const { request, removeAcceptEncoding, library } = this.#config;
    this.#acceptEncoding = headers.getJoined('accept-encoding');
    if (this.#route?.removeAcceptEncoding ?? removeAcceptEncoding) headers.remove('accept-encoding');
    if (
      end ||
      !request.enabled ||
      this.#route?.disabled ||
      headers.has('content-encoding') ||
      !takesType(request.contentTypes, mediaType(headers)) ||
      !isLongEnough(headers, request) ||
      !isPlainTransfer(headers)
    ) {
      request.stats.not_compressed++;
      return HeadersStatus.Continue;
    }
    headers.remove('content-length');
    headers.set('content-encoding', library.coding);
    this.request = this.#start(request, true);
    return HeadersStatus.Continue;
  }

  #start({ stats }: Direction, request: boolean): BodyTransform {
    const { library, flushQueue } = this.#config;
    stats.compressed++;
    return new BodyTransform(library.create(), request, this.#callbacks, flushQueue, {
      count(into, out) {
        stats.total_uncompressed_bytes += into;
        stats.total_compressed_bytes += out;
      },
      failed: (error) => {
        throw error;
      },
    });
  }

  responseHeaders(headers: Headers, end: boolean): HeadersStatus {
    const { response, library } = this.#config;
    const longEnough = this.#enabled && isLongEnough(headers, response);
    const compressible = longEnough && this.#isCompressible(headers);
    if (!end && longEnough && this.#isWanted(headers) && compressible && isPlainTransfer(headers)) {
      // What the tag says of the body is no longer so; a weak one says less.
      if (!/^W\//i.test(headers.get('etag') ?? 'W/')) headers.remove('etag');
      headers.remove('content-length');
      headers.set('content-encoding', library.coding);
      this.response = this.#start(response, false);
    } else response.stats.not_compressed++;
    if (compressible) addVary(headers);
    return HeadersStatus.Continue;
  }

  get #enabled(): boolean {
    const route = this.#route;
    return !route?.disabled && (this.#config.response.enabled || (route?.response ?? false));
  }

  #isCompressible(headers: Headers): boolean {
    const { response, disableOnEtag, headerStats } = this.#config;
    if (headers.status === 101 || headers.has('content-encoding')) return false;
    if (!takesType(response.contentTypes, mediaType(headers))) return false;
    if (/no-transform/i.test(headers.getJoined('cache-control') ?? '')) return false;
    if (!disableOnEtag || !headers.has('etag')) return true;
    headerStats.not_compressed_etag++;
    return false;
  }

  /** Whether this compressor is the one that the client and the chain agree on. */
  #isWanted(headers: Headers): boolean {
    const { headerStats, library } = this.#config;
    const offers = this.#offers;
    offers.choice ??= chooseCoding(this.#acceptEncoding, mediaType(headers), offers.all);
    const { coding, verdict } = offers.choice;
    const own = coding === library.coding;
    if (verdict === 'no header') headerStats.no_accept_header++;
    else if (verdict === 'identity') headerStats.header_identity++;
    else if (verdict === 'not valid') headerStats.header_not_valid++;
    else if (verdict === 'wildcard') headerStats.header_wildcard++;
    else if (!own) headerStats.header_compressor_overshadowed++;
    else headerStats.header_compressor_used++;
    return own;
  }
}

/** A body whose length is not known may be long. */
function isLongEnough(headers: Headers, { minBytes, stats }: Direction): boolean {
  const length = headers.get('content-length');
  if (length === undefined || Number(length) >= minBytes) return true;
  stats.content_length_too_small++;
  return false;
}

/** The transfer coding does not compress already. */
function isPlainTransfer(headers: Headers): boolean {
  return !/\b(?:gzip|deflate)\b/i.test(headers.getJoined('transfer-encoding') ?? '');
}

/** Caches are to know that there are several forms of this (RFC 9110 section 12.5.5). */
function addVary(headers: Headers): void {
  const vary = headers.getJoined('vary');
  if (vary === undefined) headers.set('vary', 'Accept-Encoding');
  else if (!vary.includes('Accept-Encoding')) headers.set('vary', `${vary}, Accept-Encoding`);
}
