import net from 'node:net';

interface TestContext {
  after(fn: () => void | Promise<void>): void;
}

/** Stands between two that talk over TCP, hands on what they say, and keeps it: what somebody at the wire would see. */
export class ByteRecorder {
  readonly address: string;
  readonly port: number;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #chunks: Buffer[] = [];

  private constructor(server: net.Server, address: string) {
    this.#server = server;
    this.address = address;
    this.port = (server.address() as net.AddressInfo).port;
  }

  /** Listens on an address and hands on to `target`, which is asked for each connection. */
  static async open(
    t: TestContext,
    address: string,
    target: () => { host: string; port: number },
  ): Promise<ByteRecorder> {
    let recorder: ByteRecorder | undefined;
    const server = net.createServer((client) => recorder?.relay(client, target()));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, address, resolve);
    });
    recorder = new ByteRecorder(server, address);
    t.after(() => recorder.close());
    return recorder;
  }

  /** What has come by since the last time, in both directions. */
  take(): Buffer {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return bytes;
  }

  /** Ends the connections that there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  private relay(client: net.Socket, target: { host: string; port: number }): void {
    const server = net.connect(target);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (chunk: Buffer) => {
        this.#chunks.push(chunk);
        to.write(chunk);
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  private close(): void {
    this.#server.close();
    this.cut();
  }
}
