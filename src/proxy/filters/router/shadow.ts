import type { Headers } from '../../../wire/headers.ts';
import { type OutgoingStream, ResetReason } from '../../../wire/http.ts';
import type { Cancelable, Cluster, UpstreamOptions, UpstreamStreamHandler } from '../../cluster/cluster.ts';
import type { FilterCallbacks } from '../../http/filter.ts';
import { keepForGood } from '../../net/loans.ts';
import type { MirrorPolicy } from '../../router/route.ts';

/** Pieces of body that wait for a mirror's connection are kept up to this many bytes; a mirror that is slower is given up. */
const MAX_QUEUED = 1024 * 1024;

/**
 * Starts copies of a request at the clusters of those policies whose share it falls into. `localAddress` is this
 * proxy's, which it appends to x-forwarded-for of requests of its own.
 */
export function startShadows(
  policies: readonly MirrorPolicy[],
  headers: Headers,
  end: boolean,
  options: UpstreamOptions,
  { clusters, random, info }: Pick<FilterCallbacks, 'clusters' | 'random' | 'info'>,
  localAddress: string,
): readonly Shadow[] {
  const shadows: Shadow[] = [];
  for (const policy of policies) {
    if (policy.share < 1 && random() >= policy.share) continue;
    const name = policy.cluster || headers.get(policy.clusterHeader);
    const cluster = name === undefined ? undefined : clusters.get(name);
    if (cluster === undefined) continue;
    const copy = headers.clone();
    if (policy.host !== '') copy.authority = policy.host;
    else if (!policy.disableShadowSuffix && copy.authority !== '') {
      copy.authority = copy.authority.replace(/(:\d+)?$/, '-shadow$1');
    }
    for (const edit of policy.edits) edit(copy, info);
    copy.set('x-envoy-internal', 'true');
    copy.append('x-forwarded-for', localAddress);
    const shadow = new Shadow(copy, end);
    shadows.push(shadow);
    shadow.start(cluster, { ...options, alpn: undefined, downstream: undefined, source: undefined });
  }
  return shadows;
}

/** A copy of a request whose answer nobody sees. It goes on when the original is over, until its own time limit. */
export class Shadow implements UpstreamStreamHandler {
  readonly #headers: Headers;
  #stream: OutgoingStream | undefined = undefined;
  #waiting: Cancelable | undefined = undefined;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #headersEnd: boolean;
  #ended: boolean;
  #trailers: Headers | undefined = undefined;
  #over = false;

  constructor(headers: Headers, end: boolean) {
    this.#headers = headers;
    this.#headersEnd = end;
    this.#ended = end;
  }

  start(cluster: Cluster, options: UpstreamOptions): void {
    const host = cluster.pick({
      hash: undefined,
      metadataMatch: undefined,
      headers: this.#headers,
      downstream: undefined,
      overrideAddress: undefined,
      rejects: () => false,
    });
    if (host === undefined) {
      this.#over = true;
      return;
    }
    const waiting = cluster.openHttp(host, options, this);
    if (this.#stream === undefined && !this.#over) this.#waiting = waiting;
  }

  get over(): boolean {
    return this.#over;
  }

  sendData(chunk: Uint8Array, end: boolean): void {
    if (this.#over || this.#ended) return;
    // The same chunk goes to the upstream of the request itself.
    keepForGood(chunk);
    if (end) this.#ended = true;
    if (this.#stream !== undefined) {
      this.#stream.sendData(chunk, end);
      return;
    }
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes > MAX_QUEUED) this.cancel();
  }

  sendTrailers(trailers: Headers): void {
    if (this.#over || this.#ended) return;
    this.#ended = true;
    if (this.#stream !== undefined) this.#stream.sendTrailers(trailers);
    else this.#trailers = trailers;
  }

  onReady(stream: OutgoingStream): void {
    this.#stream = stream;
    this.#waiting = undefined;
    stream.sendHeaders(this.#headers, this.#headersEnd);
    const queue = this.#queue;
    this.#queue = [];
    queue.forEach((chunk, i) => {
      stream.sendData(chunk, this.#ended && this.#trailers === undefined && i === queue.length - 1);
    });
    if (this.#trailers !== undefined) stream.sendTrailers(this.#trailers);
  }

  onFailure(): void {
    this.#over = true;
  }

  onHeaders(_headers: Headers, end: boolean): void {
    if (end) this.#over = true;
  }

  onData(_chunk: Uint8Array, end: boolean): void {
    if (end) this.#over = true;
  }

  onTrailers(): void {
    this.#over = true;
  }

  onReset(): void {
    this.#over = true;
  }

  onError(): void {
    this.#over = true;
  }

  onWriteBackpressure(): void {}

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#queue = [];
    if (this.#stream === undefined) this.#waiting?.cancel();
    else this.#stream.reset(ResetReason.LocalReset);
  }
}
