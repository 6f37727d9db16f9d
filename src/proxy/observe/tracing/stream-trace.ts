import type { Headers } from '../../../wire/headers.ts';
import { formatAddress } from '../../net/connection.ts';
import { formatFlags } from '../response-flags.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { CustomTag } from './custom-tags.ts';
import type { RequestTrace, Span, UpstreamTrace } from './span.ts';

/** What spans of a connection manager tell besides what all tell. */
export interface SpanContents {
  /** Characters of the path that a span's URL has at most. */
  readonly maxPathLength: number;
  readonly spawnsUpstream: boolean;
  /** Requests carry the trace on to whom they go to. */
  readonly propagates: boolean;
  readonly tags: readonly CustomTag[];
}

/** The spans of one request. */
export class StreamTrace implements RequestTrace {
  readonly span: Span;
  readonly #info: StreamInfo;
  readonly #contents: SpanContents;
  /** Tags of the route, which stand before those of the connection manager. */
  readonly #routeTags: readonly CustomTag[];

  constructor(span: Span, info: StreamInfo, contents: SpanContents, routeTags: readonly CustomTag[]) {
    this.span = span;
    this.#info = info;
    this.#contents = contents;
    this.#routeTags = routeTags;
  }

  get propagates(): boolean {
    return this.#contents.propagates;
  }

  spawn(clusterName: string, attempt: number, address: string, always: boolean): UpstreamTrace | undefined {
    if (!always && !this.#contents.spawnsUpstream) return undefined;
    const span = this.span.child(`router ${clusterName} egress`, address);
    if (attempt > 1) span.tag('retry.count', String(attempt - 1));
    return new UpstreamSpan(span, address, this);
  }

  /** An upstream request has ended. */
  finishUpstream(upstream: UpstreamTrace & { readonly address: string }): void {
    const { span, failure, status, flags, protocol, address, response } = upstream;
    if (upstream.canceled) span.tag('canceled', 'true');
    if (failure !== '') {
      span.tag('error', 'true');
      span.tag('error.reason', failure);
    }
    if (response !== undefined && isGrpc(this.#info.requestHeaders)) tagGrpcResponse(span, response);
    span.tag('http.protocol', protocol === '' ? '-' : protocol);
    span.tag('upstream_address', address);
    span.tag('peer.address', address);
    this.#tagCommon(span, status, flags, status >= 500);
    span.finish();
  }

  finish(): void {
    const { span } = this;
    const info = this.#info;
    const headers = info.requestHeaders;
    if (headers !== undefined) this.#tagRequest(headers);
    span.tag('request_size', String(info.bytesReceived));
    span.tag('response_size', String(info.bytesSent));
    if (isGrpc(headers)) {
      if (info.responseHeaders !== undefined) tagGrpcResponse(span, info.responseHeaders);
      if (info.responseTrailers !== undefined) tagGrpcResponse(span, info.responseTrailers);
    }
    const { responseCode } = info;
    this.#tagCommon(span, responseCode, info.flags, responseCode === 0 || responseCode >= 500);
    span.finish();
  }

  #tagRequest(headers: Headers): void {
    const { span } = this;
    const info = this.#info;
    const id = headers.get('x-request-id');
    if (id !== undefined) span.tag('guid:x-request-id', id);
    const path = headers.get('x-envoy-original-path') ?? headers.path;
    span.tag('http.url', `${headers.scheme}://${headers.authority}${path.slice(0, this.#contents.maxPathLength)}`);
    span.tag('http.method', headers.method);
    span.tag('downstream_cluster', headers.get('x-envoy-downstream-service-cluster') ?? '-');
    span.tag('user_agent', headers.get('user-agent') ?? '-');
    span.tag('http.protocol', info.protocol === '' ? '-' : info.protocol);
    const peer = info.connection.directRemote;
    span.tag('peer.address', peer.family === 0 ? formatAddress(peer) : peer.address);
    const client = headers.get('x-client-trace-id');
    if (client !== undefined) span.tag('guid:x-client-trace-id', client);
    if (isGrpc(headers)) {
      span.tag('grpc.path', headers.path);
      span.tag('grpc.authority', headers.authority);
      span.tag('grpc.content_type', headers.get('content-type') ?? '');
      const timeout = headers.get('grpc-timeout');
      if (timeout !== undefined) span.tag('grpc.timeout', timeout);
    }
  }

  #tagCommon(span: Span, status: number, flags: number, failed: boolean): void {
    const info = this.#info;
    span.tag('component', 'proxy');
    if (info.upstreamCluster !== '') {
      span.tag('upstream_cluster', info.upstreamCluster);
      span.tag('upstream_cluster.name', info.upstreamClusterStatName || info.upstreamCluster);
    }
    span.tag('http.status_code', String(status));
    span.tag('response_flags', formatFlags(flags));
    if (failed) span.tag('error', 'true');
    for (const { name, value } of this.#routeTags) tagUnlessEmpty(span, name, value(info));
    for (const { name, value } of this.#contents.tags) {
      if (!this.#routeTags.some((tag) => tag.name === name)) tagUnlessEmpty(span, name, value(info));
    }
  }
}

class UpstreamSpan implements UpstreamTrace {
  readonly span: Span;
  readonly address: string;
  readonly #trace: StreamTrace;
  status = 0;
  flags = 0;
  failure = '';
  canceled = false;
  protocol = '';
  response: Headers | undefined = undefined;

  constructor(span: Span, address: string, trace: StreamTrace) {
    this.span = span;
    this.address = address;
    this.#trace = trace;
  }

  finish(): void {
    this.#trace.finishUpstream(this);
  }
}

function tagUnlessEmpty(span: Span, name: string, value: string): void {
  if (value !== '') span.tag(name, value);
}

function isGrpc(headers: Headers | undefined): boolean {
  return headers?.get('content-type')?.startsWith('application/grpc') ?? false;
}

/** Statuses that are the server's fault; with the others a client has been told off. */
const GRPC_ERRORS: ReadonlySet<string> = new Set(['2', '4', '8', '12', '13', '14', '15']);

function tagGrpcResponse(span: Span, headers: Headers): void {
  const status = headers.get('grpc-status');
  if (status === undefined) return;
  span.tag('grpc.status_code', status);
  span.tag('grpc.message', headers.get('grpc-message') ?? '');
  if (GRPC_ERRORS.has(status)) span.tag('error', 'true');
}
