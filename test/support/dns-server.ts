import dgram from 'node:dgram';
import net from 'node:net';
import type { TestContext } from 'node:test';
import dnsPacket, { type Answer, type Packet } from 'dns-packet';

/** Addresses of a name, what is said instead of them, or nothing at all; `asked` counts the questions before this one. */
export type DnsAnswers = (asked: number) => readonly string[] | 'NXDOMAIN' | 'SERVFAIL' | 'SILENCE';

export interface DnsZone {
  readonly ttl?: number;
  readonly answers: DnsAnswers;
}

type Transport = 'udp' | 'tcp';

/** A name server for tests, over UDP and TCP on one port. */
export class TestDnsServer {
  /** What was asked, as `A name udp`. */
  readonly questions: string[] = [];
  readonly #zones: Readonly<Record<string, DnsZone>>;
  readonly #asked = new Map<string, number>();

  constructor(zones: Readonly<Record<string, DnsZone>>) {
    this.#zones = zones;
  }

  async listen(t: TestContext): Promise<number> {
    const udp = dgram.createSocket('udp4');
    const tcp = net.createServer((socket) => this.#serve(socket));
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const { port } = tcp.address() as net.AddressInfo;
    udp.on('message', (bytes, from) => {
      const answer = this.#answer(dnsPacket.decode(bytes), 'udp');
      if (answer !== undefined) udp.send(dnsPacket.encode(answer), from.port, from.address);
    });
    await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
    t.after(() => {
      udp.close();
      tcp.close();
    });
    return port;
  }

  #serve(socket: net.Socket): void {
    let received = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const length = 2 + received.readUInt16BE(0);
        const query = dnsPacket.streamDecode(received.subarray(0, length));
        received = received.subarray(length);
        const answer = this.#answer(query, 'tcp');
        if (answer !== undefined) socket.write(dnsPacket.streamEncode(answer));
      }
    });
  }

  #answer({ id, questions = [] }: Packet, transport: Transport): Packet | undefined {
    const [{ name, type }] = questions;
    this.questions.push(`${type} ${name} ${transport}`);
    const zone = this.#zones[name];
    const key = `${type} ${name}`;
    const asked = this.#asked.get(key) ?? 0;
    this.#asked.set(key, asked + 1);
    const result = zone?.answers(asked) ?? 'NXDOMAIN';
    if (result === 'SILENCE') return undefined;
    const flags = dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE;
    if (typeof result === 'string') {
      return { type: 'response', id, questions, flags: flags | (result === 'NXDOMAIN' ? 3 : 2) };
    }
    const wanted = result.filter((address) => address.includes(':') === (type === 'AAAA'));
    const answers = wanted.map((data): Answer => ({ type: type as 'A', name, ttl: zone?.ttl ?? 60, data }));
    return { type: 'response', id, questions, flags, answers };
  }
}
