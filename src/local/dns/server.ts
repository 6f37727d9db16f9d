import dnsPacket, { type Packet } from 'dns-packet';
import { DnsListener } from '../../agent/dns/listener.ts';
import { answer, type HostAddresses } from './host-names.ts';

const MAX_CONNECTIONS = 32;
const IDLE_MS = 5_000;
/** Bytes of a question over TCP: a name has 255 at most. */
const MAX_QUESTION = 1024;

/** A name server for the hosts that gateways serve, over UDP and TCP. */
export class HostNameServer {
  readonly #listener: DnsListener;
  /** `IP:PORT`. */
  readonly address: string;

  private constructor(listener: DnsListener, host: string) {
    this.#listener = listener;
    this.address = `${host}:${listener.port}`;
  }

  /** `hosts` is asked for each question. Throws a UserError when the port cannot be had. */
  static async listen(host: string, port: number, hosts: () => HostAddresses): Promise<HostNameServer> {
    const listener = await DnsListener.listen({
      host,
      port,
      answer: (bytes) => answerTo(bytes, hosts),
      maxConnections: MAX_CONNECTIONS,
      idleMs: IDLE_MS,
      maxQuestion: MAX_QUESTION,
    });
    return new HostNameServer(listener, host);
  }

  close(): void {
    this.#listener.close();
  }
}

function answerTo(bytes: Buffer, hosts: () => HostAddresses): Buffer | undefined {
  let query: Packet;
  try {
    query = dnsPacket.decode(bytes);
  } catch {
    return undefined;
  }
  const reply = answer(query, hosts());
  return reply && dnsPacket.encode(reply);
}
