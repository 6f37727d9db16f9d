import type { Address } from '../../api/gen/envoy/config/core/v3/address_pb.ts';
import { canonicalIpv6 } from '../../base/cidr.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { ipFamily } from '../config/values.ts';
import type { SocketAddress } from './connection.ts';

/** Reads an IP address and port; anything else is an error. Names are for the DNS clusters only. */
export function socketAddress(address: Address | undefined, errors: ConfigErrors): SocketAddress | undefined {
  if (address?.address.case === 'pipe') {
    const { path, mode } = address.address.value;
    if (mode !== 0 && path.startsWith('@')) errors.add('address.pipe.mode', 'a name that is no file has no mode');
    return { address: path, port: 0, family: 0, ...(mode !== 0 && { mode }) };
  }
  if (address?.address.case !== 'socketAddress') {
    errors.add('address', 'a socket_address or pipe is needed');
    return undefined;
  }
  const socket = address.address.value;
  if (socket.portSpecifier.case === 'namedPort') {
    errors.add('address.socket_address.named_port', 'is not supported');
    return undefined;
  }
  const port = socket.portSpecifier.value ?? 0;
  const family = ipFamily(socket.address);
  if (family === undefined) {
    errors.add('address.socket_address.address', `${JSON.stringify(socket.address)} is not an IP address`);
    return undefined;
  }
  // Addresses are compared as they are written.
  const canonical = family === 6 ? canonicalIpv6(socket.address) : socket.address;
  return { address: canonical, port, family, ...(socket.ipv4Compat && { ipv4Compat: true }) };
}
