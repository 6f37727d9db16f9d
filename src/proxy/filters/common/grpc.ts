import type { Headers } from '../../../wire/headers.ts';

const CONTENT_TYPE = 'application/grpc';

/** Whether a request is a gRPC call: content type `application/grpc`, alone or with a `+` behind it. */
export function isGrpcRequest(headers: Headers): boolean {
  const type = headers.get('content-type');
  if (type === undefined || !type.startsWith(CONTENT_TYPE)) return false;
  return type.length === CONTENT_TYPE.length || type.charCodeAt(CONTENT_TYPE.length) === 43;
}
