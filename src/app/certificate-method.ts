import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type IstioCertificateRequest,
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
} from '../api/gen/istio/v1/auth/ca_pb.ts';
import { messageOf } from '../base/errors.ts';
import type { CertificateService } from '../ca/service/certificate-service.ts';
import { GrpcError } from '../ca/service/grpc-error.ts';
import type { UnaryMethod } from '../discovery/server/grpc-server.ts';
import { GrpcCode } from '../wire/grpc/transport.ts';

/** `istio.v1.auth.IstioCertificateService/CreateCertificate`, as a method of the control plane's gRPC ports. */
export function certificateMethod(service: CertificateService): UnaryMethod {
  return {
    path: '/istio.v1.auth.IstioCertificateService/CreateCertificate',
    call: async (bytes, { address, authorization, certificates }) => {
      const response = await service.createCertificate(decode(bytes), { address, authorization, certificates });
      return toBinary(IstioCertificateResponseSchema, response);
    },
  };
}

function decode(bytes: Uint8Array): IstioCertificateRequest {
  try {
    return fromBinary(IstioCertificateRequestSchema, bytes);
  } catch (error) {
    throw new GrpcError(GrpcCode.InvalidArgument, `not a certificate request: ${messageOf(error)}`);
  }
}
