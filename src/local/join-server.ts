import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { codeOf, messageOf, UserError } from '../base/errors.ts';
import { buildRoot } from '../ca/authority/self-signed.ts';
import { generatePrivateKey, privateKeyPem } from '../ca/x509/keys.ts';
import { formatPem } from '../ca/x509/pem.ts';
import {
  type CheckRequest,
  type CheckResponse,
  formatInvitation,
  type JoinRequest,
  type JoinResponse,
  type LookResponse,
  SECRET_BYTES,
} from '../config/virtual-machine/invitation.ts';

/** What a machine is invited to. */
export interface Invited {
  readonly namespace: string;
  readonly group: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** For how long the machine can come back after its certificate has expired, milliseconds. */
  readonly tokenTtlMs: number;
}

export interface JoinServerOptions {
  readonly address: string;
  readonly look: (invited: Invited) => Promise<LookResponse>;
  /** The files for a machine of this address. */
  readonly files: (invited: Invited, ip: string) => Promise<JoinResponse['files']>;
}

interface Pending extends Invited {
  readonly hash: Buffer;
  checks: number;
}

/** Where machines are taken in; not one of Istio's ports. */
export const JOIN_PORT = 15019;
const MAX_PENDING = 1000;
const MAX_CHECKS = 50;
const MAX_PORTS = 64;
const MAX_BODY = 64 * 1024;
const MAX_CONNECTIONS = 64;
const REQUEST_MS = 15_000;
const CHECK_MS = 3000;
const CERTIFICATE_MS = 10 * 365 * 86_400_000;

class Refused extends Error {}

/** Hands out one-time codes, and to machines that come with one what makes them members. */
export class JoinServer {
  readonly #options: JoinServerOptions;
  readonly #server: https.Server;
  readonly #fingerprint: Buffer;
  readonly #pending = new Set<Pending>();

  private constructor(options: JoinServerOptions, key: string, certificate: Buffer) {
    this.#options = options;
    this.#fingerprint = createHash('sha256').update(certificate).digest();
    const credentials = { key, cert: formatPem('CERTIFICATE', certificate), minVersion: 'TLSv1.3' as const };
    this.#server = https.createServer({ ...credentials, requestTimeout: REQUEST_MS }, (request, response) => {
      this.#serve(request)
        .then(
          (answer) => [200, answer] as const,
          (error: unknown) => [error instanceof Refused ? 403 : 400, { error: messageOf(error) }] as const,
        )
        .then(([status, body]) => {
          response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
          response.end(JSON.stringify(body));
        });
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Throws a UserError if the port is not to be had. */
  static async open(options: JoinServerOptions): Promise<JoinServer> {
    const key = await generatePrivateKey('ecdsa-p256');
    const now = Date.now();
    const certificate = await buildRoot(key, [['CN', 'isthmus join']], now - 60_000, now + CERTIFICATE_MS);
    const server = new JoinServer(options, privateKeyPem(key), certificate);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', (error) =>
        reject(new UserError(`machines cannot be taken in at ${options.address}:${JOIN_PORT}: ${codeOf(error)}`)),
      );
      server.#server.listen(JOIN_PORT, options.address, resolve);
    });
    return server;
  }

  /** A new code. `host` is by which machines find this one. */
  invite(invited: Invited, host: string): string {
    this.#expire();
    if (this.#pending.size >= MAX_PENDING) throw new UserError(`${MAX_PENDING} codes are out already`);
    const secret = randomBytes(SECRET_BYTES);
    this.#pending.add({ ...invited, hash: digest(secret), checks: 0 });
    return formatInvitation({ host, port: JOIN_PORT, fingerprint: this.#fingerprint, secret });
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage): Promise<object> {
    const body = await readJson(request);
    const pending = this.#find(body);
    switch (`${request.method} ${request.url}`) {
      case 'POST /look':
        return this.#options.look(pending);
      case 'POST /check':
        return check(pending, body as Partial<CheckRequest>);
      case 'POST /join': {
        const { ip } = body as Partial<JoinRequest>;
        if (typeof ip !== 'string' || net.isIP(ip) === 0) throw new Error('ip must be an IP address');
        // Before anything is waited for: of two that come at once, one is too late.
        this.#pending.delete(pending);
        return { files: await this.#options.files(pending, ip) } satisfies JoinResponse;
      }
      default:
        throw new Error(`there is no ${request.method} ${request.url}`);
    }
  }

  #find({ secret }: { readonly secret?: unknown }): Pending {
    this.#expire();
    const hash = digest(Buffer.from(typeof secret === 'string' ? secret : '', 'base64url'));
    for (const pending of this.#pending) if (timingSafeEqual(pending.hash, hash)) return pending;
    throw new Refused('the code has expired, was used already, or is of an earlier run of the mesh; ask for a new one');
  }

  #expire(): void {
    for (const pending of this.#pending) if (Date.now() >= pending.expiresAt) this.#pending.delete(pending);
  }
}

function digest(secret: Buffer): Buffer {
  return createHash('sha256').update(secret).digest();
}

async function check(pending: Pending, { ip, ports, nonce }: Partial<CheckRequest>): Promise<CheckResponse> {
  if (++pending.checks > MAX_CHECKS) throw new Refused(`the code was used for ${MAX_CHECKS} checks; ask for a new one`);
  const isPort = (port: unknown) => Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536;
  if (typeof ip !== 'string' || net.isIP(ip) === 0 || typeof nonce !== 'string' || nonce.length < 16)
    throw new Error('ip and nonce are needed');
  if (!Array.isArray(ports) || ports.length > MAX_PORTS || !ports.every(isPort)) throw new Error('ports are needed');
  const found = await Promise.all(ports.map(async (port) => ({ port, problem: await greets(ip, port, nonce) })));
  return { problems: found.flatMap(({ port, problem }) => (problem === undefined ? [] : [{ port, problem }])) };
}

/** Why a port does not answer with the nonce; undefined if it does. Tells nothing else of what is there. */
function greets(host: string, port: number, nonce: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    let text = '';
    const finish = (problem: string | undefined) => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(CHECK_MS, () => finish(`nothing came back within ${CHECK_MS / 1000} s: a firewall may drop it`));
    socket.on('error', (error) => finish(codeOf(error) ?? error.message));
    socket.on('end', () => finish('somebody else answers'));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (text.startsWith(nonce)) finish(undefined);
      else if (text.length >= nonce.length || !nonce.startsWith(text)) finish('somebody else answers');
    });
  });
}

async function readJson(request: AsyncIterable<Buffer>): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Error(`the request is larger than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  if (typeof value !== 'object' || value === null) throw new Error('the request is not a JSON object');
  return value as Record<string, unknown>;
}
