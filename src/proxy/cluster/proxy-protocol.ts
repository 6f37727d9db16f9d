import { ProxyProtocolConfig_Version } from '../../api/gen/envoy/config/core/v3/proxy_protocol_pb.ts';
import type { ProxyProtocolUpstreamTransport } from '../../api/gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts';
import { encodeProxyV1, encodeProxyV2, tcpAddresses } from '../../wire/proxy-protocol/encode.ts';
import type { Tlv } from '../../wire/proxy-protocol/header.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { SupportTable } from '../config/supported.ts';
import { PASS_THROUGH_SUPPORTED, tlvMatcher } from '../net/proxy-protocol.ts';
import { PROXY_PROTOCOL_TLVS } from '../observe/filter-state.ts';
import type { ConnectionAddresses, Preamble } from './upstream-socket.ts';

export const SUPPORTED: SupportTable = {
  ...PASS_THROUGH_SUPPORTED,
  'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport': ['config', 'transport_socket'],
  'envoy.config.core.v3.ProxyProtocolConfig': ['version', 'pass_through_tlvs'],
  'envoy.config.core.v3.TransportSocket': ['name', 'typed_config'],
};

/** `envoy.transport_sockets.upstream_proxy_protocol`: tells a server which client a connection is for. */
export function proxyProtocol(proto: ProxyProtocolUpstreamTransport, errors: ConfigErrors): Preamble {
  if (proto.transportSocket === undefined) errors.add('transport_socket', 'is needed');
  if (proto.config?.version !== ProxyProtocolConfig_Version.V2) return version1;
  const passes = tlvMatcher(proto.config.passThroughTlvs);
  return (_own, downstream) => {
    const tlvs = (downstream?.filterState?.get(PROXY_PROTOCOL_TLVS) ?? []) as readonly Tlv[];
    const addresses = downstream && addressesOf(downstream);
    return encodeProxyV2(
      addresses,
      tlvs.filter(({ type }) => passes(type)),
    );
  };
}

/** Version 1 has no word for a connection of the proxy's own but UNKNOWN; Envoy gives the connection's addresses. */
function version1(own: ConnectionAddresses, downstream: ConnectionAddresses | undefined): Uint8Array {
  return encodeProxyV1(addressesOf(downstream ?? { remote: own.local, local: own.remote }));
}

/** Undefined where there are no IP addresses to tell. */
function addressesOf({ remote, local }: ConnectionAddresses) {
  return remote.family === 0 || local.family === 0 ? undefined : tcpAddresses(remote, local);
}
