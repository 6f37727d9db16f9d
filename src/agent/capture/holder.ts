import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import { messageOf } from '../../base/errors.ts';
import { runTool } from '../../process/tool.ts';
import { relay } from '../net/relay.ts';

/**
 * The program that holds the namespaces of a captured pod, whose sidecar is outside them: it makes the network in which
 * the programs find themselves, hands the sockets to the sidecar on which that gets what they send, and hands on to them
 * what comes in. It ends with the agent, and the network with it.
 */

/** What an agent asks of the holder. */
export type HolderRequest =
  /** Listen in the namespace, and hand over the socket. */
  | { readonly listen: 'tcp' | 'udp'; readonly port: number }
  /** Hand on what comes in at the server that is sent along, to this port of the programs. */
  | { readonly admit: number }
  /** Hand on nothing more to this port. */
  | { readonly dismiss: number };

export type HolderReply =
  | { readonly ready: true }
  | { readonly failed: string }
  /** With the socket. */
  | { readonly listening: 'tcp' | 'udp'; readonly port: number };

/** What the holder is started with, as JSON in its only argument. */
export interface HolderSetup {
  /** Rules for `iptables-restore`. */
  readonly rules: string;
  /** The address of the pod, from which its programs call. */
  readonly address: string;
}

/** By which the programs tell the sidecar from others, as in Istio. */
const PASSTHROUGH = '127.0.0.6';
const UNPRIVILEGED_PORTS = '/proc/sys/net/ipv4/ip_unprivileged_port_start';

async function makeNetwork({ rules, address }: HolderSetup): Promise<void> {
  await runTool('ip', ['link', 'set', 'lo', 'up']);
  // Every address has a way, so that what programs send gets as far as the rules.
  await runTool('ip', ['route', 'add', 'default', 'dev', 'lo', 'src', address]);
  await runTool('iptables-restore', ['--noflush', '-w', '5'], rules);
  fs.writeFileSync(UNPRIVILEGED_PORTS, '0');
}

function listenTcp(port: number): void {
  const server = net.createServer();
  server.listen(port, '0.0.0.0', () =>
    process.send!({ listening: 'tcp', port } satisfies HolderReply, server, {}, () => server.close()),
  );
  server.once('error', fail);
}

function listenUdp(port: number): void {
  const socket = dgram.createSocket('udp4');
  socket.bind(port, '127.0.0.1', () =>
    process.send!({ listening: 'udp', port } satisfies HolderReply, socket, {}, () => socket.close()),
  );
  socket.once('error', fail);
}

function fail(error: unknown): void {
  process.send!({ failed: messageOf(error) } satisfies HolderReply, () => process.exit(1));
}

/** By the port of the programs. */
const gates = new Map<number, net.Server>();

process.on('message', (request: HolderRequest, handle: unknown) => {
  if ('admit' in request) {
    const to = { host: '127.0.0.1', port: request.admit, localAddress: PASSTHROUGH };
    const server = Object.assign(handle as net.Server, { allowHalfOpen: true });
    server.on('connection', (socket: net.Socket) => relay(socket, to));
    gates.set(request.admit, server);
  } else if ('dismiss' in request) {
    gates.get(request.dismiss)?.close();
    gates.delete(request.dismiss);
  } else if (request.listen === 'tcp') listenTcp(request.port);
  else listenUdp(request.port);
});
process.on('disconnect', () => process.exit());
// Signals of a terminal are for the agent, with whom this ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

makeNetwork(JSON.parse(process.argv[2] ?? '') as HolderSetup).then(
  () => process.send!({ ready: true } satisfies HolderReply),
  fail,
);
