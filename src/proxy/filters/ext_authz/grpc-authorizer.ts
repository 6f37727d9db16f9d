import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { CheckRequestSchema, CheckResponseSchema } from '../../../api/gen/envoy/service/auth/v3/external_auth_pb.ts';
import { GrpcCode } from '../../../wire/grpc/transport.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import type { GrpcService } from '../common/grpc-service.ts';
import { type Authorizer, type CheckSubject, FAILED, type Verdict } from './authorizer.ts';
import { denialChange, requestChange, responseChange } from './changes.ts';
import { type CheckContents, checkRequest } from './check-request.ts';

export const CHECK = '/envoy.service.auth.v3.Authorization/Check';

/** Asks a service that speaks `envoy.service.auth.v3.Authorization`. */
export class GrpcAuthorizer implements Authorizer {
  readonly #service: GrpcService;
  readonly #contents: CheckContents;

  constructor(service: GrpcService, contents: CheckContents) {
    this.#service = service;
    this.#contents = contents;
  }

  check(subject: CheckSubject, done: (verdict: Verdict) => void): Cancelable {
    const message = toBinary(CheckRequestSchema, checkRequest(subject, this.#contents));
    return this.#service.unary(CHECK, message, subject.callbacks.info, (result) => {
      done(result instanceof Uint8Array ? verdictOf(result) : FAILED);
    });
  }
}

/** What a CheckResponse says; what cannot be read says nothing. */
export function verdictOf(bytes: Uint8Array): Verdict {
  let response: ReturnType<typeof fromBinary<typeof CheckResponseSchema>>;
  try {
    response = fromBinary(CheckResponseSchema, bytes);
  } catch {
    return FAILED;
  }
  const { httpResponse: http } = response;
  const ok = http.case === 'okResponse' ? http.value : undefined;
  const metadata = ok?.dynamicMetadata ?? response.dynamicMetadata;
  if ((response.status?.code ?? GrpcCode.Ok) === GrpcCode.Ok) {
    return {
      kind: 'allowed',
      requestChanges: ok?.headers.map(requestChange) ?? [],
      requestRemovals: ok?.headersToRemove ?? [],
      responseChanges: ok?.responseHeadersToAdd.map(responseChange) ?? [],
      parametersToSet: ok?.queryParametersToSet.map(({ key, value }) => [key, value] as const) ?? [],
      parametersToRemove: ok?.queryParametersToRemove ?? [],
      metadata,
    };
  }
  const denied = http.case === 'deniedResponse' ? http.value : undefined;
  return {
    kind: 'denied',
    status: denied?.status?.code || 403,
    body: denied?.body ?? '',
    responseChanges: denied?.headers.map(denialChange).filter((change) => change !== undefined) ?? [],
    metadata,
  };
}
