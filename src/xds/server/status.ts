/** How a stream ends, for those who refuse or end one. */
export { GrpcCode, type GrpcStatus } from '../../wire/grpc/transport.ts';
