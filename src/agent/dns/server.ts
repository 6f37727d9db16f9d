import dgram from 'node:dgram';
import net from 'node:net';
import dnsPacket, { type Packet } from 'dns-packet';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';
import type { HostPort } from '../environment/values.ts';

export interface DnsServerOptions {
  readonly at: HostPort;
  /** The answer of the mesh; undefined where it has none. */
  readonly answer: (query: Packet) => Packet | undefined;
  /** Who is asked for everything else, one after the other. */
  readonly nameServers: readonly HostPort[];
  /** For each of them, milliseconds. */
  readonly timeoutMs: number;
  /** Sockets that are bound already, in a network that we are not in. */
  readonly sockets?: { readonly tcp: net.Server; readonly udp: dgram.Socket };
}

const MAX_CONNECTIONS = 256;
const MAX_FORWARDED = 1000;
const IDLE_MS = 10_000;
const SERVFAIL = 2;

/** Answers the DNS queries of a machine or a pod, over UDP and TCP: what the mesh knows itself, the rest by asking on. */
export class DnsServer {
  readonly #options: DnsServerOptions;
  readonly #udp: dgram.Socket;
  readonly #tcp: net.Server;
  readonly #connections = new Set<net.Socket>();
  #forwarded = 0;

  private constructor(options: DnsServerOptions) {
    this.#options = options;
    this.#udp = options.sockets?.udp ?? dgram.createSocket(net.isIPv6(options.at.host) ? 'udp6' : 'udp4');
    this.#udp.on('message', (bytes, from) => {
      void this.#answer(bytes, false).then(
        (reply) => reply && this.#udp.send(reply, from.port, from.address, () => {}),
      );
    });
    this.#tcp = net.createServer((socket) => this.#serve(socket));
    this.#tcp.maxConnections = MAX_CONNECTIONS;
  }

  /** Throws a UserError when the port cannot be had. */
  static async listen(options: DnsServerOptions): Promise<DnsServer> {
    const server = new DnsServer(options);
    const { host, port } = options.at;
    const { sockets } = options;
    try {
      await new Promise<void>((resolve, reject) => {
        server.#tcp.once('error', reject).listen(sockets?.tcp ?? { host, port, exclusive: true }, resolve);
      });
      if (sockets === undefined)
        await new Promise<void>((resolve, reject) => {
          server.#udp.once('error', reject).bind({ address: host, port: server.port, exclusive: true }, resolve);
        });
    } catch (error) {
      server.close();
      throw new UserError(`DNS cannot be served at ${host}:${port}: ${codeOf(error) ?? messageOf(error)}`);
    }
    server.#udp.on('error', () => {});
    return server;
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
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => {});
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    let pending: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        const query = pending.subarray(2, end);
        pending = pending.subarray(end);
        void this.#answer(query, true).then((reply) => reply && !socket.destroyed && socket.write(framed(reply)));
      }
    });
  }

  async #answer(bytes: Buffer, stream: boolean): Promise<Buffer | undefined> {
    let query: Packet;
    try {
      query = dnsPacket.decode(bytes);
    } catch {
      return undefined;
    }
    if (query.type !== 'query') return undefined;
    const own = this.#options.answer(query);
    if (own) return dnsPacket.encode(own);
    return (await this.#forward(bytes, stream)) ?? failure(query);
  }

  async #forward(bytes: Buffer, stream: boolean): Promise<Buffer | undefined> {
    if (this.#forwarded >= MAX_FORWARDED) return undefined;
    this.#forwarded++;
    try {
      for (const server of this.#options.nameServers) {
        const reply = await (stream ? askTcp : askUdp)(server, bytes, this.#options.timeoutMs);
        if (reply) return reply;
      }
      return undefined;
    } finally {
      this.#forwarded--;
    }
  }
}

function failure(query: Packet): Buffer {
  const flags = SERVFAIL | 0x0080 | ((query.flags ?? 0) & 0x0100);
  return dnsPacket.encode({ type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [] });
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** A connected socket, so that nobody but who was asked can answer; undefined if no answer comes. */
function askUdp({ host, port }: HostPort, query: Buffer, timeoutMs: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4');
    const finish = (reply: Buffer | undefined) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => {}).close();
      resolve(reply);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    socket.on('error', () => finish(undefined));
    socket.on('message', (reply) => reply.subarray(0, 2).equals(query.subarray(0, 2)) && finish(reply));
    socket.connect(port, host, () => socket.send(query));
  });
}

function askTcp(at: HostPort, query: Buffer, timeoutMs: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(at, () => socket.write(framed(query)));
    let reply: Buffer = Buffer.alloc(0);
    const finish = (whole: Buffer | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(whole);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    socket.on('error', () => finish(undefined)).on('close', () => finish(undefined));
    socket.on('data', (chunk: Buffer) => {
      reply = Buffer.concat([reply, chunk]);
      if (reply.length >= 2 && reply.length >= 2 + reply.readUInt16BE(0))
        finish(reply.subarray(2, 2 + reply.readUInt16BE(0)));
    });
  });
}
