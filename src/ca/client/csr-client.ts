import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '../../api/gen/istio/v1/auth/ca_pb.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import { type GrpcCall, GrpcCode, type GrpcTransport } from '../../wire/grpc/transport.ts';
import { readSmallFile } from '../files/read.ts';

/** How an authority answered when it did not issue, or what kept it from answering. */
export class CsrError extends Error {
  override readonly name = 'CsrError';
  /** A gRPC status code. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface CsrClientOptions {
  readonly transport: GrpcTransport;
  /** Asked before every request, because tokens are short-lived and are replaced on disk. None: the connection's own certificate is the credential. */
  readonly token?: () => Promise<string>;
  /** Sent as `clusterid`, as pilot-agent does (`ISTIO_META_CLUSTER_ID`). */
  readonly clusterId?: string;
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

const PATH = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
const TIMEOUT_MS = 10_000;
const MAX_RESPONSE_BYTES = 1 << 20;
const MAX_TOKEN_BYTES = 65536;

/** Sends certificate requests to istiod, or to whatever serves `istio.v1.auth.IstioCertificateService`. */
export class CsrClient {
  readonly #options: CsrClientOptions;

  constructor(options: CsrClientOptions) {
    this.#options = options;
  }

  /**
   * Returns the answer's PEM texts as they came: leaf, intermediates, trust bundle. Nothing in them is verified yet.
   * `onBehalfOf` is the SPIFFE ID of another workload, for a caller that the authority lets ask for others.
   */
  async request(csr: string, ttlMs: number, onBehalfOf?: string): Promise<readonly string[]> {
    const { token, clusterId } = this.#options;
    const metadata: [string, string][] = [];
    if (token) metadata.push(['authorization', `Bearer ${await token()}`]);
    if (clusterId) metadata.push(['clusterid', clusterId]);
    const validityDuration = BigInt(Math.floor(ttlMs / 1000));
    const message = toBinary(
      IstioCertificateRequestSchema,
      create(IstioCertificateRequestSchema, {
        csr,
        validityDuration,
        ...(onBehalfOf !== undefined && { metadata: { ImpersonatedIdentity: onBehalfOf } }),
      }),
    );
    const response = await this.#unary(metadata, message);
    try {
      return fromBinary(IstioCertificateResponseSchema, response).certChain;
    } catch (error) {
      throw new CsrError(GrpcCode.Internal, `the response cannot be decoded (${messageOf(error)})`);
    }
  }

  #unary(metadata: readonly (readonly [string, string])[], message: Uint8Array): Promise<Uint8Array> {
    const { transport, timeoutMs = TIMEOUT_MS, clock = systemClock } = this.#options;
    return new Promise((resolve, reject) => {
      let call: GrpcCall | undefined;
      let response: Uint8Array | undefined;
      let failed = false;
      const fail = (error: CsrError) => {
        failed = true;
        cancelTimer();
        call?.cancel();
        reject(error);
      };
      const cancelTimer = clock.setTimer(timeoutMs, () =>
        fail(new CsrError(GrpcCode.DeadlineExceeded, `no answer within ${timeoutMs} ms`)),
      );
      call = transport.call(PATH, metadata, {
        onMessage(bytes) {
          if (response) fail(new CsrError(GrpcCode.Internal, 'more than one response'));
          else if (bytes.length > MAX_RESPONSE_BYTES)
            fail(new CsrError(GrpcCode.ResourceExhausted, `the response is larger than ${MAX_RESPONSE_BYTES} bytes`));
          else response = bytes;
        },
        onEnd(status) {
          cancelTimer();
          if (status.code !== GrpcCode.Ok) reject(new CsrError(status.code, status.message));
          else if (response) resolve(response);
          else reject(new CsrError(GrpcCode.Internal, 'the call ended without a response'));
        },
      });
      if (failed) return call.cancel();
      call.send(message);
      call.end();
    });
  }
}

/** Reads a token afresh at every call, for {@link CsrClientOptions.token}. */
export function tokenFromFile(file: string): () => Promise<string> {
  return async () => {
    const token = (await readSmallFile(file, MAX_TOKEN_BYTES))?.trim();
    if (!token) throw new UserError(`The token file ${file} is ${token === undefined ? 'missing' : 'empty'}.`);
    if (!/^[\x21-\x7e]+$/.test(token)) throw new UserError(`The token file ${file} does not hold one token.`);
    return token;
  };
}
