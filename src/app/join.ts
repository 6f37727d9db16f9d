import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { codeOf, UserError } from '../base/errors.ts';
import {
  type CheckResponse,
  type Invitation,
  type JoinResponse,
  type LookResponse,
  parseInvitation,
} from '../config/virtual-machine/invitation.ts';

/** An invitation whose mesh was reached. */
export interface OpenInvitation extends LookResponse {
  readonly invitation: Invitation;
  /** By which the mesh is to reach this machine. */
  readonly ip: string;
}

/** A way between the machine and the mesh, and what blocks it. */
export interface Way {
  readonly way: string;
  readonly problem: string | undefined;
}

const CONNECT_MS = 5000;
const ANSWER_MS = 15_000;
const MAX_ANSWER = 1024 * 1024;
const FILES = ['cluster.env', 'mesh.yaml', 'istio-token', 'root-cert.pem', 'hosts'] as const;

/** Asks the mesh what the code is for. `ip` undefined is the address from which this machine reaches it. */
export async function openInvitation(code: string, ip: string | undefined): Promise<OpenInvitation> {
  const invitation = parseInvitation(code);
  const { answer, localAddress } = await ask<LookResponse>(invitation, '/look', {});
  return { ...answer, invitation, ip: ip ?? localAddress };
}

/** Tries every way, in both directions. The code stays good. */
export async function checkWay(opened: OpenInvitation): Promise<Way[]> {
  const { invitation, discovery, ip, ports } = opened;
  const at = discovery.lastIndexOf(':');
  const [host, port] = [discovery.slice(0, at), Number(discovery.slice(at + 1))];
  const outward = { way: `this machine reaches the control plane at ${discovery}`, problem: await reach(host, port) };
  const nonce = randomBytes(16).toString('hex');
  const doors = await Promise.all(ports.map((p) => Door.open(ip, p, nonce)));
  try {
    const open = doors.filter(({ problem }) => problem === undefined).map(({ port }) => port);
    const asked =
      open.length === 0
        ? undefined
        : (await ask<CheckResponse>(invitation, '/check', { ip, ports: open, nonce })).answer;
    const seen = new Map(asked?.problems.map(({ port, problem }) => [port, problem]));
    const inward = doors.map(({ port, problem }) => ({
      way: `the mesh reaches this machine at ${ip}:${port}`,
      problem: problem ?? (seen.has(port) ? explain(seen.get(port)!) : undefined),
    }));
    return [outward, ...inward];
  } finally {
    for (const door of doors) door.close();
  }
}

/** Uses the code up and writes the files into a folder. */
export async function redeem({ invitation, ip }: OpenInvitation, folder: string): Promise<void> {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { files } = (await ask<JoinResponse>(invitation, '/join', { ip })).answer;
  for (const name of FILES) {
    const text = files[name];
    if (typeof text !== 'string') throw new UserError(`the mesh has sent no ${name}`);
    const file = path.join(folder, name);
    fs.rmSync(file, { force: true });
    fs.writeFileSync(file, text, { mode: name === 'istio-token' ? 0o600 : 0o644 });
  }
}

/** A port that this machine opens while the mesh tries it. */
class Door {
  readonly port: number;
  readonly problem: string | undefined;
  readonly #server: net.Server;

  private constructor(port: number, problem: string | undefined, server: net.Server) {
    this.port = port;
    this.problem = problem;
    this.#server = server;
  }

  static open(host: string, port: number, nonce: string): Promise<Door> {
    return new Promise((resolve) => {
      const server = net.createServer((socket) => {
        socket.on('error', () => {});
        socket.end(nonce);
      });
      server.once('error', (error) =>
        resolve(new Door(port, whyNotOpen(codeOf(error) ?? error.message, host), server)),
      );
      server.listen({ port, host, exclusive: true }, () => resolve(new Door(port, undefined, server)));
    });
  }

  close(): void {
    this.#server.close();
  }
}

function whyNotOpen(code: string, host: string): string {
  if (code === 'EADDRNOTAVAIL') return `${host} is no address of this machine; give one with --ip`;
  if (code === 'EADDRINUSE')
    return 'something listens there already; the sidecar has to, and the program at 127.0.0.1 (or --local-address)';
  if (code === 'EACCES') return 'ports below 1024 need root here';
  return code;
}

function explain(code: string): string {
  if (code === 'ECONNREFUSED') return 'refused: a firewall rejects it, or the address leads to another machine';
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return 'the mesh has no route to it';
  return code;
}

/** Why a port of the mesh cannot be connected to; undefined if it can. */
function reach(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const finish = (problem: string | undefined) => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(CONNECT_MS, () =>
      finish(`nothing came back within ${CONNECT_MS / 1000} s: a firewall may drop it`),
    );
    socket.once('connect', () => finish(undefined));
    socket.once('error', (error) =>
      finish(
        codeOf(error) === 'ECONNREFUSED'
          ? 'refused: nothing listens, or a firewall rejects it'
          : (codeOf(error) ?? error.message),
      ),
    );
  });
}

interface Asked<T> {
  readonly answer: T;
  /** From which address this machine asked. */
  readonly localAddress: string;
}

/** One question at the mesh's door, which must show the certificate that the code names before it hears the secret. */
async function ask<T>(invitation: Invitation, route: string, body: object): Promise<Asked<T>> {
  const { host, port, secret } = invitation;
  const socket = await connect(invitation);
  const localAddress = socket.localAddress ?? '';
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new UserError(`the mesh at ${host}:${port} does not answer: ${why}`));
    const request = https.request(
      {
        createConnection: () => socket,
        method: 'POST',
        path: route,
        headers: { host, 'content-type': 'application/json', connection: 'close' },
        signal: AbortSignal.timeout(ANSWER_MS),
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          if (text.length > MAX_ANSWER) request.destroy(new Error(`more than ${MAX_ANSWER} bytes`));
        });
        response.on('end', () => {
          try {
            const answer = JSON.parse(text) as T & { readonly error?: string };
            if (response.statusCode === 200) resolve({ answer, localAddress });
            else reject(new UserError(answer.error ?? `the mesh answered ${response.statusCode}`));
          } catch {
            fail('what it says is not JSON');
          }
        });
      },
    );
    request.on('error', (error) => fail(codeOf(error) ?? error.message));
    request.end(JSON.stringify({ ...body, secret: secret.toString('base64url') }));
  });
}

/** A TLS connection whose other end has proven that it is who made the code. */
function connect({ host, port, fingerprint }: Invitation): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    // No authority vouches for the certificate: the code itself says which one it must be.
    const socket = tls.connect({ host, port, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
    const fail = (why: string) => {
      socket.destroy();
      reject(new UserError(`blocked: this machine does not reach the mesh at ${host}:${port}: ${why}`));
    };
    socket.setTimeout(CONNECT_MS, () =>
      fail(`nothing came back within ${CONNECT_MS / 1000} s: a firewall may drop it`),
    );
    socket.once('error', (error) =>
      fail(
        codeOf(error) === 'ECONNREFUSED'
          ? 'refused: the mesh does not run, or a firewall rejects it'
          : (codeOf(error) ?? error.message),
      ),
    );
    socket.once('secureConnect', () => {
      const { raw } = socket.getPeerCertificate();
      const shown = createHash('sha256')
        .update(raw ?? Buffer.alloc(0))
        .digest();
      if (!timingSafeEqual(shown, fingerprint))
        return fail('somebody else answers there: its certificate is not the one that the code names');
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}
