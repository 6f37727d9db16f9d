import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import grpc from '@grpc/grpc-js';
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
} from '../../src/api/gen/istio/v1/auth/ca_pb.ts';

// gRPC's own client, on purpose: what our server lets in must not depend on how ours asks.

const METHOD = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
const SERVER_NAME = 'istiod.istio-system.svc';

/** A connection to `HOST:PORT` of a control plane, trusting these roots; with a certificate if one is given. */
export function secureChannel(
  address: string,
  roots: string,
  client?: { readonly key: string; readonly chain: string },
): grpc.Client {
  const [key, chain] = client ? [Buffer.from(client.key), Buffer.from(client.chain)] : [null, null];
  return new grpc.Client(address, grpc.credentials.createSsl(Buffer.from(roots), key, chain), {
    'grpc.ssl_target_name_override': SERVER_NAME,
    'grpc.enable_retries': 0,
  });
}

export interface CertificateRequest {
  readonly csr: string;
  readonly token?: string | undefined;
  /** The SPIFFE ID of somebody else for whom it is asked. */
  readonly onBehalfOf?: string | undefined;
}

export interface CertificateAnswer {
  /** A status code of gRPC. */
  readonly code: number;
  readonly details: string;
  /** Leaf, intermediates, trust bundle; none if it was refused. */
  readonly chain: readonly string[];
}

/** Asks for a certificate as any client of Istio's CSR service does. */
export function requestCertificate(
  channel: grpc.Client,
  { csr, token, onBehalfOf }: CertificateRequest,
): Promise<CertificateAnswer> {
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const request = create(IstioCertificateRequestSchema, {
    csr,
    validityDuration: 3600n,
    ...(onBehalfOf === undefined ? {} : { metadata: { ImpersonatedIdentity: onBehalfOf } }),
  });
  return new Promise((resolve) =>
    channel.makeUnaryRequest<Buffer, Buffer>(
      METHOD,
      (bytes) => bytes,
      (bytes) => bytes,
      Buffer.from(toBinary(IstioCertificateRequestSchema, request)),
      metadata,
      (error, response) =>
        resolve(
          response === undefined
            ? { code: error?.code ?? grpc.status.UNKNOWN, details: error?.details ?? '', chain: [] }
            : {
                code: grpc.status.OK,
                details: '',
                chain: fromBinary(IstioCertificateResponseSchema, response).certChain,
              },
        ),
    ),
  );
}
