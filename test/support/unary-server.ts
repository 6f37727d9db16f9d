import type { TestContext } from 'node:test';
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';

/** What a call is answered with: a message, a status other than OK, or nothing at all. */
export type UnaryAnswer<Response> = Response | { readonly code: number; readonly details: string } | 'silence';

/** Starts a gRPC server of one unary method and returns its port. It ends with the test. */
export async function unaryServer<Request extends DescMessage, Response extends DescMessage>(
  t: TestContext,
  path: string,
  schemas: { readonly request: Request; readonly response: Response },
  handler: (request: MessageShape<Request>, metadata: grpc.Metadata) => UnaryAnswer<MessageShape<Response>>,
): Promise<number> {
  const server = new grpc.Server();
  server.addService(
    {
      method: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: (message: MessageShape<Request>) => Buffer.from(toBinary(schemas.request, message)),
        requestDeserialize: (bytes: Buffer) => fromBinary(schemas.request, bytes),
        responseSerialize: (message: MessageShape<Response>) => Buffer.from(toBinary(schemas.response, message)),
        responseDeserialize: (bytes: Buffer) => fromBinary(schemas.response, bytes),
      },
    },
    {
      method: (
        call: grpc.ServerUnaryCall<MessageShape<Request>, MessageShape<Response>>,
        reply: grpc.sendUnaryData<MessageShape<Response>>,
      ) => {
        const answer = handler(call.request, call.metadata);
        if (answer === 'silence') return;
        if ('details' in answer) reply(answer as grpc.ServiceError);
        else reply(null, answer as MessageShape<Response>);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  t.after(() => server.forceShutdown());
  return port;
}
