import type net from 'node:net';
import type { TcpKeepalive as Proto } from '../../api/gen/envoy/config/core/v3/address_pb.ts';

/** `tcp_keepalive`; what is undefined is the system's. Times in milliseconds. */
export interface TcpKeepalive {
  readonly idleMs: number | undefined;
  readonly intervalMs: number | undefined;
  readonly probes: number | undefined;
}

/** Linux's own `tcp_keepalive_time`, for which Node has no word. */
const SYSTEM_IDLE_MS = 7_200_000;
const SYSTEM_INTERVAL_MS = 75_000;
const SYSTEM_PROBES = 9;

/** Reads `tcp_keepalive`, whose times are in seconds; undefined if it is not set. */
export function tcpKeepalive(proto: Proto | undefined): TcpKeepalive | undefined {
  if (proto === undefined) return undefined;
  const ms = (seconds: number | undefined) => (seconds === undefined ? undefined : seconds * 1000);
  return {
    idleMs: ms(proto.keepaliveTime),
    intervalMs: ms(proto.keepaliveInterval),
    probes: proto.keepaliveProbes,
  };
}

/** Switches keepalive on; what is not given is Linux' own. */
export function keepAlive(socket: net.Socket, { idleMs, intervalMs, probes }: TcpKeepalive): void {
  socket.setKeepAlive(true, idleMs ?? SYSTEM_IDLE_MS, intervalMs ?? SYSTEM_INTERVAL_MS, probes ?? SYSTEM_PROBES);
}
