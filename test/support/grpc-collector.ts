import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

/** What came in one message of a call. */
export interface CollectedMessage {
  readonly path: string;
  /** Counts from 0: messages of one call share it. */
  readonly call: number;
  readonly bytes: Buffer;
}

/** A gRPC server that keeps the messages of all calls; calls that end are answered with an empty message. */
export class GrpcCollector {
  readonly messages: CollectedMessage[] = [];
  #calls = 0;

  async listen(t: TestContext): Promise<number> {
    const server = http2.createServer();
    const sessions = new Set<http2.ServerHttp2Session>();
    server.on('session', (session) => {
      sessions.add(session);
      session.on('close', () => sessions.delete(session));
    });
    server.on('stream', (stream: http2.ServerHttp2Stream, headers) => this.#serve(stream, String(headers[':path'])));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      for (const session of sessions) session.destroy();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  #serve(stream: http2.ServerHttp2Stream, path: string): void {
    const call = this.#calls++;
    let received = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 5 && received.length >= 5 + received.readUInt32BE(1)) {
        const end = 5 + received.readUInt32BE(1);
        this.messages.push({ path, call, bytes: received.subarray(5, end) });
        received = received.subarray(end);
      }
    });
    stream.on('end', () => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.alloc(5));
    });
    stream.on('error', () => {});
  }

  /** What has come since it was last asked. */
  take(): CollectedMessage[] {
    return this.messages.splice(0);
  }
}
