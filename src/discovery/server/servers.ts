import type { Server as HttpServer } from 'node:http';
import type { ListenOptions } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import type { Logging } from '../../base/log.ts';
import { SigningError } from '../../ca/authority/authority.ts';
import type { ControlPlane } from '../control-plane.ts';
import type { Security } from '../security.ts';
import { DiscoveryGrpcServer, type Keepalive, type UnaryMethod } from './grpc-server.ts';
import { debugRoutes, type HttpServerOptions, monitoringRoutes, serveHttp } from './http-server.ts';
import { ServerCertificate, type ServerCredentials } from './server-certificate.ts';
import { followServerFiles, type ServerFilePaths } from './server-files.ts';
import { listen, type SocketListener } from './sockets.ts';
import { listenTls, type TlsListener, type TlsSettings } from './tls-listener.ts';

export interface ServersOptions {
  readonly controlPlane: ControlPlane;
  readonly logging: Logging;
  readonly clock: Clock;
  readonly version: string;
  readonly keepalive: Keepalive;
  /** Methods beside discovery, on the secured port alone: with them come tokens. */
  readonly methods: readonly UnaryMethod[];
  /** Undefined turns a listener off. */
  readonly grpc: ListenOptions | undefined;
  readonly secureGrpc: ListenOptions | undefined;
  readonly http: ListenOptions | undefined;
  readonly monitoring: ListenOptions | undefined;
  /** Needed for `secureGrpc`. */
  readonly security: Security | undefined;
  readonly tls: TlsSettings;
  /** Key, chain and roots from files, instead of a certificate from our own authority. */
  readonly tlsFiles: ServerFilePaths | undefined;
  readonly dnsNames: readonly string[];
  /** False serves discovery on the secured port without asking who calls (`XDS_AUTH`). */
  readonly authenticateXds: boolean;
}

/** What is bound, by what it serves. */
export interface Servers {
  readonly addresses: Readonly<Partial<Record<'grpc' | 'secureGrpc' | 'http' | 'monitoring', string>>>;
  close(): Promise<void>;
}

/** How long connections get to end by themselves when the process stops. */
const DRAIN_MS = 500;

/** Opens the listeners, all or none. Throws a UserError that names the flag of the one that cannot be opened. */
export async function openServers(options: ServersOptions): Promise<Servers> {
  const addresses: Partial<Record<'grpc' | 'secureGrpc' | 'http' | 'monitoring', string>> = {};
  const closers: (() => Promise<void>)[] = [];
  let ready = false;
  const close = async () => {
    ready = false;
    await Promise.all(closers.map((one) => one()));
  };
  try {
    if (options.grpc) {
      const { address, closer } = await openPlain(options, options.grpc);
      addresses.grpc = address;
      closers.push(closer);
    }
    if (options.secureGrpc && options.security) {
      const { address, closer } = await openSecure(options, options.secureGrpc, options.security);
      addresses.secureGrpc = address;
      closers.push(closer);
    }
    const http = httpOptions(options, () => ready);
    for (const [name, flag, address, routes] of [
      ['http', 'httpAddr', options.http, debugRoutes(http)],
      ['monitoring', 'monitoringAddr', options.monitoring, monitoringRoutes(http)],
    ] as const) {
      if (!address) continue;
      const opened = await serveHttp(flag, address, routes, http);
      addresses[name] = opened.address;
      closers.push(() => closeHttp(opened.server));
    }
  } catch (error) {
    await close();
    throw error;
  }
  ready = true;
  return { addresses, close };
}

async function openPlain(options: ServersOptions, address: ListenOptions) {
  const server = new DiscoveryGrpcServer({
    discovery: options.controlPlane.discovery,
    authenticators: undefined,
    methods: [],
    keepalive: options.keepalive,
  });
  const listener = await listen('grpcAddr', address, (socket) => server.accept(socket));
  return { address: listener.address, closer: () => closeGrpc(server, listener, options.clock) };
}

async function openSecure(options: ServersOptions, address: ListenOptions, security: Security) {
  const log = options.logging.scope('ads');
  let listener: TlsListener | undefined;
  const certificate = await openCertificate(options, security, (credentials) => listener?.setCredentials(credentials));
  const server = new DiscoveryGrpcServer({
    discovery: options.controlPlane.discovery,
    authenticators: options.authenticateXds ? security.authenticators : undefined,
    methods: options.methods,
    certificatesOf: (peer) => listener?.certificatesOf(peer),
    keepalive: options.keepalive,
  });
  const accept = (socket: Parameters<DiscoveryGrpcServer['accept']>[0]) => server.accept(socket);
  listener = await listenTls('secureGRPCAddr', address, certificate.credentials, options.tls, log, accept);
  const opened = listener;
  return {
    address: opened.address,
    closer: async () => {
      certificate.close();
      await closeGrpc(server, opened, options.clock);
    },
  };
}

/** The certificate of the secured port: from files if there are any, else from the mesh's own authority. */
async function openCertificate(
  { tlsFiles, dnsNames, clock, logging }: ServersOptions,
  { authority }: Security,
  onRenewed: (credentials: ServerCredentials) => void,
): Promise<{ readonly credentials: ServerCredentials; close(): void }> {
  const log = logging.scope('serverca');
  if (tlsFiles) return followServerFiles(tlsFiles, { clock, log, onRenewed });
  try {
    const { certificate, credentials } = await ServerCertificate.issue({ authority, dnsNames, clock, log, onRenewed });
    return { credentials, close: () => certificate.close() };
  } catch (error) {
    if (!(error instanceof SigningError)) throw error;
    const why = messageOf(error.cause ?? error);
    throw new UserError(`The control plane has no certificate for its secured port: ${why}`);
  }
}

async function closeGrpc(server: DiscoveryGrpcServer, listener: SocketListener, clock: Clock): Promise<void> {
  listener.stop();
  server.drain(DRAIN_MS);
  await listener.drained(DRAIN_MS, clock);
  server.close();
  listener.destroy();
}

function httpOptions(options: ServersOptions, ready: () => boolean): HttpServerOptions {
  return {
    debug: options.controlPlane.debug,
    ready,
    version: options.version,
    metrics: () => options.controlPlane.metrics.registry.text(),
    authenticators: options.security?.authenticators ?? [],
    log: options.logging.scope('default'),
  };
}

function closeHttp(server: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
