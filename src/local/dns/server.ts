import dgram from 'node:dgram';
import net from 'node:net';
import dnsPacket, { type Packet } from 'dns-packet';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';
import { answer, type HostAddresses } from './host-names.ts';

const MAX_CONNECTIONS = 32;
const IDLE_MS = 5_000;
/** Bytes of a question over TCP: a name has 255 at most. */
const MAX_QUESTION = 1024;

/** A name server for the hosts that gateways serve, over UDP and TCP. */
export class HostNameServer {
  readonly #udp: dgram.Socket;
  readonly #tcp: net.Server;
  readonly #connections = new Set<net.Socket>();
  readonly #hosts: () => HostAddresses;

  private constructor(hosts: () => HostAddresses) {
    this.#hosts = hosts;
    this.#udp = dgram.createSocket('udp4');
    this.#udp.on('message', (bytes, from) => {
      const reply = this.#answer(() => dnsPacket.decode(bytes));
      if (reply) this.#udp.send(dnsPacket.encode(reply), from.port, from.address, () => {});
    });
    this.#tcp = net.createServer((socket) => this.#serve(socket));
    this.#tcp.maxConnections = MAX_CONNECTIONS;
  }

  /** `hosts` is asked for each question. Throws a UserError when the port cannot be had. */
  static async listen(address: string, port: number, hosts: () => HostAddresses): Promise<HostNameServer> {
    const server = new HostNameServer(hosts);
    try {
      await listening(server.#tcp, () => server.#tcp.listen({ host: address, port, exclusive: true }));
      const bound = (server.#tcp.address() as net.AddressInfo).port;
      await listening(server.#udp, () => server.#udp.bind({ address, port: bound, exclusive: true }));
    } catch (error) {
      server.close();
      throw new UserError(`${address}:${port} cannot be listened on: ${codeOf(error) ?? messageOf(error)}`);
    }
    return server;
  }

  /** `IP:PORT`. */
  get address(): string {
    const { address, port } = this.#udp.address();
    return `${address}:${port}`;
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
    let received: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2) {
        const length = received.readUInt16BE(0);
        if (length > MAX_QUESTION) {
          socket.destroy();
          return;
        }
        if (received.length < 2 + length) return;
        const bytes = received.subarray(2, 2 + length);
        received = received.subarray(2 + length);
        const reply = this.#answer(() => dnsPacket.decode(bytes));
        if (reply) socket.write(dnsPacket.streamEncode(reply));
      }
    });
  }

  #answer(decode: () => Packet): Packet | undefined {
    let query: Packet;
    try {
      query = decode();
    } catch {
      return undefined;
    }
    return answer(query, this.#hosts());
  }
}

function listening(server: net.Server | dgram.Socket, begin: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      // Of single datagrams that could not be sent nobody needs to know.
      server.on('error', () => {});
      resolve();
    });
    begin();
  });
}
