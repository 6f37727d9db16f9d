/** What a PROXY protocol header says (HAProxy, "The PROXY protocol, versions 1 & 2"). */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /**
   * Who the connection is from and to. Undefined if the header does not tell: LOCAL in version 2, where the sender speaks
   * for itself, or UNKNOWN in version 1. The connection's own addresses count then.
   */
  readonly addresses: ProxyAddresses | undefined;
  /** Version 2: the extensions in their order, undecoded. */
  readonly tlvs: readonly Tlv[];
}

/** `transport` is the protocol of the original connection; with `unix` the addresses are paths and the ports 0. */
export interface ProxyAddresses {
  readonly transport: ProxyTransport;
  readonly source: ProxyAddress;
  readonly destination: ProxyAddress;
}

export type ProxyTransport = 'tcp4' | 'udp4' | 'tcp6' | 'udp6' | 'unix' | 'unix-datagram';

export interface ProxyAddress {
  /** In the canonical form: IPv6 as RFC 5952 has it, no zone. */
  readonly address: string;
  readonly port: number;
}

export interface Tlv {
  readonly type: number;
  readonly value: Uint8Array;
}

/** The twelve octets that version 2 begins with. */
export const SIGNATURE_V2 = Buffer.from([13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]);
/** What version 1 begins with. */
export const SIGNATURE_V1 = Buffer.from('PROXY ', 'latin1');

/** Family (high four bits) and protocol (low four bits) of version 2, with the octets that its addresses take. */
export const FAMILIES: readonly { readonly code: number; readonly transport: ProxyTransport; readonly size: number }[] =
  [
    { code: 0x11, transport: 'tcp4', size: 12 },
    { code: 0x12, transport: 'udp4', size: 12 },
    { code: 0x21, transport: 'tcp6', size: 36 },
    { code: 0x22, transport: 'udp6', size: 36 },
    { code: 0x31, transport: 'unix', size: 216 },
    { code: 0x32, transport: 'unix-datagram', size: 216 },
  ];

/** Octets of a path in version 2, filled up with zeros. */
export const UNIX_PATH_SIZE = 108;
