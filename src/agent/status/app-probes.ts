import { isIP } from 'node:net';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { codeOf, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { GrpcCode } from '../../wire/grpc/transport.ts';
import { GrpcChannel } from '../grpc-channel.ts';
import { type HttpCall, type HttpResult, httpCall } from '../http/client.ts';
import type { HttpReply, HttpRequest } from '../http/server.ts';
import { tryConnect } from '../net/try-connect.ts';
import type { AppProber, AppProbers } from './app-probers.ts';

export interface AppProbesOptions {
  readonly probers: AppProbers;
  /** Where the program listens, for a port of its probe. */
  readonly destination: (port: number) => { readonly host: string; readonly port: number };
  /** Offer HTTP/2 to programs that are probed over HTTPS. */
  readonly http2: boolean;
  /** The port at which the probes come in, which a `Host` header may name. */
  readonly statusPort: () => number;
  readonly log: Logger;
}

/** The source of probes, by which a proxy tells them from traffic of its pod. */
const SOURCE = { 4: '127.0.0.6', 6: '::6' } as const;
/** What Kubernetes keeps of an answer. */
const MAX_BODY_BYTES = 10 * 1024;
const MAX_REDIRECTS = 10;
const HEALTH_CHECK = '/grpc.health.v1.Health/Check';
const SERVING = 1;
/** Headers that belong to one connection, and are not passed on. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

/** Probes of the program behind the proxy, which a kubelet cannot send itself where mutual TLS is required. */
export class AppProbes {
  readonly #options: AppProbesOptions;

  constructor(options: AppProbesOptions) {
    this.#options = options;
  }

  async handle(request: HttpRequest): Promise<HttpReply> {
    const prober = this.#options.probers.get(request.path);
    if (!prober) return { status: 400, body: `app prober config does not exists for ${request.path}` };
    try {
      if (prober.kind === 'http') return await this.#http(request, prober);
      if (prober.kind === 'tcp') await this.#tcp(prober);
      else await this.#grpc(request, prober);
      return { status: 200 };
    } catch (error) {
      this.#options.log.error(`probe ${request.path} of the program failed: ${messageOf(error)}`);
      return { status: 500 };
    }
  }

  /** As a kubelet does it: any certificate will do, redirects are followed on the same host, and one elsewhere is a success. */
  async #http(request: HttpRequest, prober: AppProber & { readonly kind: 'http' }): Promise<HttpReply> {
    const { destination, http2 } = this.#options;
    const headers: [string, string][] = [];
    for (let i = 0; i < request.headers.size; i++) {
      const name = request.headers.nameAt(i);
      if (!HOP_BY_HOP.has(name)) headers.push([name, request.headers.valueAt(i)]);
    }
    const at = destination(prober.port);
    const tls = { alpn: http2 ? ['h2', 'http/1.1'] : ['http/1.1'] };
    let { https, path } = prober;
    for (let redirects = 0; ; redirects++) {
      const {
        status,
        headers: answer,
        body,
      } = await probe({
        ...at,
        path,
        authority: this.#authority(request, prober.port),
        headers,
        ...(https && { insecureTls: tls }),
        timeoutMs: prober.timeoutMs,
        maxBodyBytes: MAX_BODY_BYTES,
        truncate: true,
      });
      if (status < 300 || status >= 400) return { status, body: [body], contentType: answer.get('content-type') };
      const base = `${https ? 'https' : 'http'}://${isIP(at.host) === 6 ? `[${at.host}]` : at.host}:${at.port}`;
      const next = URL.parse(answer.get('location') ?? '', `${base}${path}`);
      if (next === null || `${next.hostname}:${next.port}` !== `${new URL(base).hostname}:${at.port}`)
        return { status: 200 };
      if (redirects >= MAX_REDIRECTS) throw new Error(`stopped after ${MAX_REDIRECTS} redirects`);
      https = next.protocol === 'https:';
      path = next.pathname + next.search;
    }
  }

  /** The host that the probe asked for, with the program's port where it named ours. */
  #authority(request: HttpRequest, port: number): string {
    const { authority } = request.headers;
    const suffix = `:${this.#options.statusPort()}`;
    return authority.endsWith(suffix) ? `${authority.slice(0, -suffix.length)}:${port}` : authority;
  }

  async #tcp({ port, timeoutMs }: AppProber): Promise<void> {
    const at = this.#options.destination(port);
    await withSource(at.host, (localAddress) => tryConnect({ ...at, localAddress }, timeoutMs));
  }

  async #grpc(request: HttpRequest, prober: AppProber & { readonly kind: 'grpc' }): Promise<void> {
    const at = this.#options.destination(prober.port);
    const userAgent = request.headers.get('user-agent');
    await withSource(at.host, async (localAddress) => {
      const channel = new GrpcChannel({
        ...at,
        deadlineMs: prober.timeoutMs,
        connectTimeoutMs: prober.timeoutMs,
        ...(userAgent && { userAgent }),
        ...(localAddress && { localAddress }),
      });
      try {
        await checkHealth(channel, prober.service);
      } finally {
        channel.close();
      }
    });
  }
}

function probe(call: HttpCall): Promise<HttpResult> {
  return withSource(call.host, (localAddress) => httpCall({ ...call, ...(localAddress && { localAddress }) }));
}

/** Tries with the source address of probes first; not every system has all of 127.0.0.0/8. */
async function withSource<T>(host: string, attempt: (localAddress: string | undefined) => Promise<T>): Promise<T> {
  const family = isIP(host);
  if (family === 0) return attempt(undefined);
  try {
    return await attempt(SOURCE[family === 6 ? 6 : 4]);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EADDRNOTAVAIL' || code === 'EINVAL' || /EADDRNOTAVAIL|EINVAL/.test(messageOf(error)))
      return attempt(undefined);
    throw error;
  }
}

/** grpc.health.v1: rejects unless the service says that it serves. */
export function checkHealth(channel: GrpcChannel, service: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let status = 0;
    const call = channel.call(HEALTH_CHECK, [], {
      onMessage: (bytes) => {
        status = servingStatus(bytes);
      },
      onEnd: ({ code, message }) => {
        if (code !== GrpcCode.Ok) reject(new Error(`status ${code}: ${message}`));
        else if (status !== SERVING) reject(new Error(`the service is not serving (${status})`));
        else resolve();
      },
    });
    const writer = new BinaryWriter();
    if (service !== '') writer.tag(1, WireType.LengthDelimited).string(service);
    call.send(writer.finish());
    call.end();
  });
}

/** HealthCheckResponse.status; 0 is UNKNOWN. */
function servingStatus(bytes: Uint8Array): number {
  let status = 0;
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [number, type] = reader.tag();
      if (number === 1 && type === WireType.Varint) status = reader.int32();
      else reader.skip(type, number);
    }
  } catch {
    return 0;
  }
  return status;
}
