import type { HttpService } from '../../../api/gen/envoy/config/core/v3/http_service_pb.ts';
import type { GrpcTransport } from '../../../wire/grpc/transport.ts';
import { Headers } from '../../../wire/headers.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import { callHttp, type HttpCallContext } from '../../filters/common/http-call.ts';
import type { Timers } from '../../timers.ts';

/** What became of an export. */
export type ExportResult =
  | { readonly kind: 'answered'; readonly status: number; readonly body: Uint8Array }
  /** The collector's cluster is not there. */
  | { readonly kind: 'no cluster' }
  | { readonly kind: 'failed' };

/** Sends what was gathered to whoever collects it. `done` comes once, maybe from within. */
export type Export = (body: Uint8Array, done: (result: ExportResult) => void) => void;

const NO_BODY = new Uint8Array(0);
/** Bytes of an answer, which hardly anybody reads. */
const MAX_ANSWER = 64 * 1024;

export interface HttpTarget {
  readonly cluster: string;
  readonly host: string;
  readonly path: string;
  readonly timeoutMs: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** `envoy.config.core.v3.HttpService` as where to send what. */
export function httpTarget(service: HttpService, errors: ConfigErrors): HttpTarget | undefined {
  const uri = service.httpUri;
  const cluster = uri?.httpUpstreamType.case === 'cluster' ? uri.httpUpstreamType.value : '';
  if (uri === undefined || cluster === '') {
    errors.add('http_uri.cluster', 'is needed');
    return undefined;
  }
  const [, host, path] = /^(?:[a-z][\w+.-]*:\/\/)?([^/]*)(.*)$/i.exec(uri.uri) ?? ['', '', ''];
  return {
    cluster,
    host,
    path: path === '' ? '/' : path,
    timeoutMs: durationMs(uri.timeout, 0),
    headers: service.requestHeadersToAdd.flatMap(({ header }) =>
      header === undefined ? [] : [[header.key.toLowerCase(), header.value] as const],
    ),
  };
}

/** Exports by POST requests through a cluster of this proxy. */
export function httpExport(target: HttpTarget, contentType: string, context: HttpCallContext): Export {
  const { cluster, host, path, timeoutMs, headers } = target;
  return (body, done) => {
    const request = Headers.request('POST', path, host, 'content-type', contentType);
    for (const [name, value] of headers) request.set(name, value);
    callHttp(context, { cluster, headers: request, body, timeoutMs, maxBytes: MAX_ANSWER }, (result) => {
      if (result === 'no cluster') done({ kind: 'no cluster' });
      else if (typeof result === 'string') done({ kind: 'failed' });
      else done({ kind: 'answered', status: result.headers.status, body: result.body });
    });
  };
}

/** Exports by unary calls; an answer of status OK counts as 200. */
export function grpcExport(transport: GrpcTransport, path: string, timers: Timers, timeoutMs: number): Export {
  return (body, done) => {
    let over = false;
    const finish = (result: ExportResult) => {
      if (over) return;
      over = true;
      timer.cancel();
      done(result);
    };
    const timer = timers.start(timeoutMs, () => {
      call.cancel();
      finish({ kind: 'failed' });
    });
    const call = transport.call(path, [], {
      onMessage() {},
      onEnd: ({ code }) => finish(code === 0 ? { kind: 'answered', status: 200, body: NO_BODY } : { kind: 'failed' }),
    });
    call.send(body);
    call.end();
  };
}
