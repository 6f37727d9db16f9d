import { ProxyProtocolConfig_Version } from '../../api/gen/envoy/config/core/v3/proxy_protocol_pb.ts';
import type { ProxyProtocolUpstreamTransport } from '../../api/gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts';
import { encodeProxyV1, encodeProxyV2, tcpAddresses } from '../../wire/proxy-protocol/encode.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { SupportTable } from '../config/supported.ts';
import type { ConnectionAddresses, Preamble } from './upstream-socket.ts';

export const SUPPORTED: SupportTable = {
  'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport': ['config', 'transport_socket'],
  'envoy.config.core.v3.ProxyProtocolConfig': ['version'],
  'envoy.config.core.v3.TransportSocket': ['name', 'typed_config'],
};

/** `envoy.transport_sockets.upstream_proxy_protocol`: tells a server which client a connection is for. */
export function proxyProtocol(proto: ProxyProtocolUpstreamTransport, errors: ConfigErrors): Preamble {
  if (proto.transportSocket === undefined) errors.add('transport_socket', 'is needed');
  return proto.config?.version === ProxyProtocolConfig_Version.V2 ? version2 : version1;
}

/** Version 1 has no word for a connection of the proxy's own but UNKNOWN; Envoy gives the connection's addresses. */
function version1(own: ConnectionAddresses, downstream: ConnectionAddresses | undefined): Uint8Array {
  return encodeProxyV1(addressesOf(downstream ?? { remote: own.local, local: own.remote }));
}

function version2(_own: ConnectionAddresses, downstream: ConnectionAddresses | undefined): Uint8Array {
  return encodeProxyV2(downstream && addressesOf(downstream));
}

/** Undefined where there are no IP addresses to tell. */
function addressesOf({ remote, local }: ConnectionAddresses) {
  return remote.family === 0 || local.family === 0 ? undefined : tcpAddresses(remote, local);
}
