import ipaddr from 'ipaddr.js';
import { FAMILIES, type ProxyAddress, type ProxyAddresses, SIGNATURE_V2, type Tlv, UNIX_PATH_SIZE } from './header.ts';

const V2_FIXED = 16;
const V2_LOCAL = 0x20;
const V2_PROXY = 0x21;
const MAX_BODY = 65535;

/**
 * The addresses of a TCP connection, in the family that both have: IPv4 in IPv6 clothes counts as IPv4, unless the other
 * address is IPv6.
 */
export function tcpAddresses(source: ProxyAddress, destination: ProxyAddress): ProxyAddresses {
  const from = ipaddr.process(source.address);
  const to = ipaddr.process(destination.address);
  if (from.kind() === 'ipv4' && to.kind() === 'ipv4') {
    return {
      transport: 'tcp4',
      source: { address: from.toString(), port: source.port },
      destination: { address: to.toString(), port: destination.port },
    };
  }
  const text = (address: ipaddr.IPv4 | ipaddr.IPv6) =>
    (address instanceof ipaddr.IPv4 ? address.toIPv4MappedAddress() : address).toRFC5952String();
  return {
    transport: 'tcp6',
    source: { address: text(from), port: source.port },
    destination: { address: text(to), port: destination.port },
  };
}

/** A header of version 1, which knows TCP only: UNKNOWN for everything else and where nothing is known. */
export function encodeProxyV1(addresses: ProxyAddresses | undefined): Buffer {
  if (addresses?.transport !== 'tcp4' && addresses?.transport !== 'tcp6') return Buffer.from('PROXY UNKNOWN\r\n');
  const { transport, source, destination } = addresses;
  const protocol = transport === 'tcp4' ? 'TCP4' : 'TCP6';
  return Buffer.from(
    `PROXY ${protocol} ${source.address} ${destination.address} ${source.port} ${destination.port}\r\n`,
    'latin1',
  );
}

/**
 * A header of version 2; LOCAL if there are no addresses. Extensions that would make it longer than its length field
 * can say are left out from the first of them on.
 */
export function encodeProxyV2(addresses: ProxyAddresses | undefined, tlvs: readonly Tlv[] = []): Buffer {
  const shape = FAMILIES.find(({ transport }) => transport === addresses?.transport);
  const parts: Uint8Array[] = [];
  let length = 0;
  if (addresses !== undefined && shape !== undefined) {
    const body = Buffer.alloc(shape.size);
    if (shape.size === 2 * UNIX_PATH_SIZE) {
      body.write(addresses.source.address, 0, UNIX_PATH_SIZE, 'latin1');
      body.write(addresses.destination.address, UNIX_PATH_SIZE, UNIX_PATH_SIZE, 'latin1');
    } else {
      const octets = [addresses.source, addresses.destination].flatMap(({ address }) =>
        ipaddr.parse(address).toByteArray(),
      );
      body.set(octets);
      body.writeUInt16BE(addresses.source.port, octets.length);
      body.writeUInt16BE(addresses.destination.port, octets.length + 2);
    }
    parts.push(body);
    length = body.length;
  }
  for (const { type, value } of tlvs) {
    if (length + 3 + value.length > MAX_BODY) break;
    parts.push(Uint8Array.of(type, value.length >> 8, value.length & 255), value);
    length += 3 + value.length;
  }
  const fixed = Buffer.alloc(V2_FIXED);
  fixed.set(SIGNATURE_V2);
  fixed[12] = shape === undefined ? V2_LOCAL : V2_PROXY;
  fixed[13] = shape?.code ?? 0;
  fixed.writeUInt16BE(length, 14);
  return Buffer.concat([fixed, ...parts]);
}
