import dgram from 'node:dgram';
import net from 'node:net';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';

/** What a DNS listener does, and what it allows its clients. */
export interface DnsListenerOptions {
  readonly host: string;
  /** 0 for any. UDP gets the same as TCP. */
  readonly port: number;
  /** Answers one message; undefined for no answer. `stream` says that it came over TCP. */
  readonly answer: (query: Buffer, stream: boolean) => Buffer | undefined | Promise<Buffer | undefined>;
  /** Connections of TCP at a time; more are closed. */
  readonly maxConnections: number;
  /** Milliseconds after which a silent connection is closed. */
  readonly idleMs: number;
  /** Bytes of a question over TCP; a connection that sends a longer one is closed. */
  readonly maxQuestion: number;
  /** Sockets that are bound already, in a network that we are not in. */
  readonly sockets?: { readonly tcp: net.Server; readonly udp: dgram.Socket };
}

/** DNS messages over UDP, and over TCP with their lengths in front (RFC 1035 section 4.2). */
export class DnsListener {
  readonly #options: DnsListenerOptions;
  readonly #udp: dgram.Socket;
  readonly #tcp: net.Server;
  readonly #connections = new Set<net.Socket>();

  private constructor(options: DnsListenerOptions) {
    this.#options = options;
    this.#udp = options.sockets?.udp ?? dgram.createSocket(net.isIPv6(options.host) ? 'udp6' : 'udp4');
    this.#udp.on('message', (bytes, from) => {
      void this.#answer(bytes, false, (reply) => this.#udp.send(reply, from.port, from.address, () => {}));
    });
    this.#tcp = net.createServer((socket) => this.#serve(socket));
    this.#tcp.maxConnections = options.maxConnections;
  }

  /** Throws a UserError when the port cannot be had. */
  static async listen(options: DnsListenerOptions): Promise<DnsListener> {
    const listener = new DnsListener(options);
    const { host, port, sockets } = options;
    try {
      await listening(listener.#tcp, () => listener.#tcp.listen(sockets?.tcp ?? { host, port, exclusive: true }));
      if (sockets === undefined) {
        const at = { address: host, port: listener.port, exclusive: true };
        await listening(listener.#udp, () => listener.#udp.bind(at));
      } else ignoreErrors(listener.#udp);
    } catch (error) {
      listener.close();
      throw new UserError(`DNS cannot be served at ${host}:${port}: ${codeOf(error) ?? messageOf(error)}`);
    }
    return listener;
  }

  get port(): number {
    return (this.#tcp.address() as net.AddressInfo).port;
  }

  close(): void {
    for (const socket of this.#connections) socket.destroy();
    if (this.#tcp.listening) this.#tcp.close();
    this.#udp.close();
  }

  #serve(socket: net.Socket): void {
    const { idleMs, maxQuestion } = this.#options;
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => {});
    socket.setTimeout(idleMs, () => socket.destroy());
    const messages = new FramedMessages();
    socket.on('data', (chunk: Buffer) => {
      messages.push(chunk);
      while (messages.awaited <= maxQuestion) {
        const query = messages.next();
        if (query === undefined) return;
        void this.#answer(query, true, (reply) => !socket.destroyed && socket.write(framed(reply)));
      }
      socket.destroy();
    });
  }

  async #answer(query: Buffer, stream: boolean, send: (reply: Buffer) => void): Promise<void> {
    const reply = await this.#options.answer(query, stream);
    if (reply !== undefined) send(reply);
  }
}

/** Messages of a TCP connection, each with its length in two octets in front of it (RFC 1035 section 4.2.2). */
export class FramedMessages {
  #pending: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
  }

  /** Length of the message that has not come whole; 0 if not even its length has. */
  get awaited(): number {
    return this.#pending.length < 2 ? 0 : this.#pending.readUInt16BE(0);
  }

  /** The next whole message, if there is one. */
  next(): Buffer | undefined {
    const end = 2 + this.awaited;
    if (this.#pending.length < end) return undefined;
    const message = this.#pending.subarray(2, end);
    this.#pending = this.#pending.subarray(end);
    return message;
  }
}

/** A message as it goes over TCP. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

function listening(server: net.Server | dgram.Socket, begin: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      ignoreErrors(server);
      resolve();
    });
    begin();
  });
}

/** Of single datagrams that could not be sent, and of connections that were not taken, nobody needs to know. */
function ignoreErrors(server: net.Server | dgram.Socket): void {
  server.on('error', () => {});
}
