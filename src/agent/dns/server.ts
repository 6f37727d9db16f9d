import dgram from 'node:dgram';
import net from 'node:net';
import dnsPacket, { type Packet } from 'dns-packet';
import type { HostPort } from '../environment/values.ts';
import { DnsListener, type DnsListenerOptions, FramedMessages, framed } from './listener.ts';

export interface DnsServerOptions {
  readonly at: HostPort;
  /** The answer of the mesh; undefined where it has none. Does not reject. */
  readonly answer: (query: Packet) => Promise<Packet | undefined>;
  /** Who is asked for everything else, one after the other. */
  readonly nameServers: readonly HostPort[];
  /** For each of them, milliseconds. */
  readonly timeoutMs: number;
  /** Sockets that are bound already, in a network that we are not in. */
  readonly sockets?: DnsListenerOptions['sockets'];
}

const MAX_CONNECTIONS = 256;
const MAX_FORWARDED = 1000;
const IDLE_MS = 10_000;
/** What the length of a message over TCP can say. */
const MAX_QUESTION = 0xffff;
const SERVFAIL = 2;

/** Answers the DNS queries of a machine or a pod, over UDP and TCP: what the mesh knows itself, the rest by asking on. */
export class DnsServer {
  readonly #options: DnsServerOptions;
  #listener: DnsListener | undefined = undefined;
  #forwarded = 0;

  private constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  /** Throws a UserError when the port cannot be had. */
  static async listen(options: DnsServerOptions): Promise<DnsServer> {
    const server = new DnsServer(options);
    server.#listener = await DnsListener.listen({
      ...options.at,
      answer: (bytes, stream) => server.#answer(bytes, stream),
      maxConnections: MAX_CONNECTIONS,
      idleMs: IDLE_MS,
      maxQuestion: MAX_QUESTION,
      sockets: options.sockets,
    });
    return server;
  }

  get port(): number {
    return this.#listener!.port;
  }

  close(): void {
    this.#listener?.close();
  }

  async #answer(bytes: Buffer, stream: boolean): Promise<Buffer | undefined> {
    let query: Packet;
    try {
      query = dnsPacket.decode(bytes);
    } catch {
      return undefined;
    }
    if (query.type !== 'query') return undefined;
    const own = await this.#options.answer(query);
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
    const replies = new FramedMessages();
    const finish = (whole: Buffer | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(whole);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    socket.on('error', () => finish(undefined)).on('close', () => finish(undefined));
    socket.on('data', (chunk: Buffer) => {
      replies.push(chunk);
      const reply = replies.next();
      if (reply !== undefined) finish(reply);
    });
  });
}
