import net from 'node:net';
import type { TestContext } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { CodecSocket } from '../../src/agent/net/codec-socket.ts';
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
} from '../../src/api/gen/istio/v1/auth/ca_pb.ts';
import { openSelfSigned } from '../../src/ca/authority/directory.ts';
import { GrpcServer, unary } from '../../src/wire/grpc/server.ts';
import type { Headers } from '../../src/wire/headers.ts';
import { Http2ServerCodec } from '../../src/wire/http2/server.ts';
import { scratch } from './reference.ts';

/** The workload that the service issues for. */
export const IDENTITY = { trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' };
export const SPIFFE = 'spiffe://cluster.local/ns/shop/sa/web';

const METHOD = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
/** The certificate service of a mesh, in clear. It signs while nothing is said against it. */
export async function certificateService(t: TestContext) {
  const issuer = await openSelfSigned(scratch(t), { trustDomain: 'cluster.local' });
  const asked: { readonly headers: Headers; readonly seconds: bigint }[] = [];
  const state: { refusal: { code: number; message: string } | undefined } = { refusal: undefined };
  const method = unary((bytes, call, respond) => {
    const { csr, validityDuration } = fromBinary(IstioCertificateRequestSchema, bytes);
    asked.push({ headers: call.metadata, seconds: validityDuration });
    if (state.refusal) {
      call.end(state.refusal);
      return;
    }
    void issuer.sign(csr, { identity: SPIFFE, ttlMs: Number(validityDuration) * 1000 }).then(({ chain, roots }) => {
      const answer = create(IstioCertificateResponseSchema, { certChain: [...chain, roots] });
      respond(Buffer.from(toBinary(IstioCertificateResponseSchema, answer)));
    });
  });
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    const io = new CodecSocket(socket);
    const grpc = new GrpcServer(new Map([[METHOD, method]]));
    const callbacks = {
      newStream: (stream: Parameters<typeof grpc.newStream>[0]) => grpc.newStream(stream),
      onConnectionError: () => io.close(),
      onConnectionDone: () => io.close(),
    };
    io.attach(new Http2ServerCodec(io, callbacks));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    issuer.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as net.AddressInfo).port, roots: issuer.roots(), asked, state };
}
