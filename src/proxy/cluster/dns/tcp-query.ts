import net from 'node:net';
import dnsPacket, { type Answer, type Packet } from 'dns-packet';

/** An answer of a name server that is no list of addresses; `code` as node:dns has it. */
class DnsError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** Records of a name, asked for over TCP (RFC 1035 section 4.2.2). Rejects with a DnsError, or what the socket says. */
export async function queryTcp(
  server: { readonly host: string; readonly port: number },
  name: string,
  type: 'A' | 'AAAA',
  timeoutMs: number,
): Promise<{ readonly address: string; readonly ttl: number }[]> {
  const id = Math.floor(Math.random() * 65_536);
  const query = dnsPacket.streamEncode({
    type: 'query',
    id,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type, name }],
  });
  const response = await exchange(server, query, timeoutMs);
  if (response.id !== id) throw new DnsError('EBADRESP');
  const { rcode } = response as Packet & { readonly rcode: string };
  if (rcode === 'NXDOMAIN') throw new DnsError('ENOTFOUND');
  if (rcode !== 'NOERROR') throw new DnsError(rcode === 'REFUSED' ? 'EREFUSED' : 'ESERVFAIL');
  const found = (response.answers ?? []).filter((answer: Answer) => answer.type === type);
  if (found.length === 0) throw new DnsError('ENODATA');
  return found.map((answer) => {
    const { data, ttl = 0 } = answer as { readonly data: string; readonly ttl?: number };
    return { address: data, ttl };
  });
}

function exchange(
  { host, port }: { readonly host: string; readonly port: number },
  query: Buffer,
  timeoutMs: number,
): Promise<Packet> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, host);
    let received: Buffer = Buffer.alloc(0);
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(timeoutMs, () => fail(new DnsError('ETIMEOUT')));
    socket.on('error', fail);
    socket.on('end', () => fail(new DnsError('ECONNREFUSED')));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      socket.destroy();
      try {
        resolve(dnsPacket.streamDecode(received));
      } catch {
        reject(new DnsError('EBADRESP'));
      }
    });
    socket.write(query);
  });
}
