import { type ChildProcess, spawn } from 'node:child_process';
import type dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { messageOf, UserError } from '../../base/errors.ts';
import { runTool } from '../../process/tool.ts';
import type { HolderReply, HolderRequest, HolderSetup } from './holder.ts';
import { type CaptureOptions, outsideCaptureOptions } from './options.ts';
import { captureRules, restoreText } from './rules.ts';

export interface UserNamespaceOptions {
  /** The address of the pod. */
  readonly address: string;
  /** See {@link userNamespaceRules}. */
  readonly rules: string;
  /** A link that leads to the namespaces while they are there, for programs to enter by. */
  readonly link: string;
  readonly onEnd: (why: string) => void;
}

/** With the caller's own identity, and all rights over what is made in it. */
const UNSHARE = ['--user', '--map-current-user', '--keep-caps', '--net', '--'];
const ANSWER_MS = 10_000;

/** Why no network namespace can be made without root; undefined if one can. */
export async function whyNoUserNamespaces(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'user namespaces are a thing of Linux';
  try {
    await runTool('nsenter', ['--version']);
    const rules = userNamespaceRules(outsideCaptureOptions({}, '127.64.0.0/16'));
    await runTool('unshare', [...UNSHARE, 'iptables-restore', '--noflush', '-w', '5'], rules);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Words before a command that run it in the namespaces to which a link leads. */
export function userNamespaceEntrance(link: string): string[] {
  return ['nsenter', `--user=${link}/user`, `--net=${link}/net`, '--preserve-credentials'];
}

/** Whatever is left is refused at once; a program that speaks TCP believes a reset only. */
const NOWHERE = `*filter
-A OUTPUT ! -d 127.0.0.0/8 -p tcp -j REJECT --reject-with tcp-reset
-A OUTPUT ! -d 127.0.0.0/8 -j REJECT
COMMIT
`;

/** What programs send goes to the sidecar, and there is no other way out. */
export function userNamespaceRules(options: CaptureOptions): string {
  return restoreText(captureRules(options, 4)) + NOWHERE;
}

/** The namespaces of a pod whose sidecar is outside them, which gets the sockets of its programs handed over. */
export class UserNamespace {
  readonly #child: ChildProcess;
  readonly #options: UserNamespaceOptions;
  #waiters: ((reply: HolderReply, handle: unknown) => boolean)[] = [];
  #ended: string | undefined = undefined;

  private constructor(options: UserNamespaceOptions, setup: HolderSetup) {
    this.#options = options;
    const program = path.join(import.meta.dirname, `holder${path.extname(import.meta.filename)}`);
    const child = spawn('unshare', [...UNSHARE, process.execPath, program, JSON.stringify(setup)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    child.on('message', (reply: HolderReply, handle: unknown) => {
      if ('failed' in reply) this.#end(reply.failed);
      this.#waiters = this.#waiters.filter((waiter) => !waiter(reply, handle));
    });
    child.once('error', (error) => this.#end(messageOf(error)));
    child.once('exit', (code, signal) => this.#end(`its holder ended with ${signal ?? `exit code ${code}`}`));
  }

  /** Throws a UserError if there can be none. */
  static async open(options: UserNamespaceOptions): Promise<UserNamespace> {
    const { address, rules, link } = options;
    const space = new UserNamespace(options, { rules, address });
    await space.#reply((reply) => 'ready' in reply || undefined);
    fs.rmSync(link, { force: true });
    fs.symlinkSync(`/proc/${space.#child.pid}/ns`, link);
    return space;
  }

  /** A process that is in it. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** A socket that listens among the programs. */
  async listenTcp(port: number): Promise<net.Server> {
    this.#send({ listen: 'tcp', port });
    return this.#reply((reply, handle) =>
      'listening' in reply && reply.listening === 'tcp' && reply.port === port ? (handle as net.Server) : undefined,
    );
  }

  async listenUdp(port: number): Promise<dgram.Socket> {
    this.#send({ listen: 'udp', port });
    return this.#reply((reply, handle) =>
      'listening' in reply && reply.listening === 'udp' && reply.port === port ? (handle as dgram.Socket) : undefined,
    );
  }

  /** Makes a port of the programs reachable at an address of this machine, which is for the sidecar. */
  async admit(port: number, host: string, at: number): Promise<void> {
    const server = net.createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(new UserError(`${host}:${at} cannot be listened on: ${messageOf(error)}`)),
      );
      server.listen({ host, port: at, exclusive: true }, resolve);
    });
    await new Promise<void>((resolve, reject) => {
      this.#child.send({ admit: port } satisfies HolderRequest, server, {}, (error) =>
        error ? reject(error) : resolve(),
      );
    });
    server.close();
  }

  /** Ends what {@link admit} has begun; connections that have come in stay. */
  dismiss(port: number): void {
    this.#send({ dismiss: port });
  }

  #send(request: HolderRequest): void {
    if (this.#child.connected) this.#child.send(request);
  }

  #reply<T>(take: (reply: HolderReply, handle: unknown) => T | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const fail = (why: string) => reject(new UserError(`no network namespace of its own: ${why}`));
      if (this.#ended !== undefined) return fail(this.#ended);
      const timer = setTimeout(() => fail(`nothing came back within ${ANSWER_MS / 1000} s`), ANSWER_MS);
      this.#waiters.push((reply, handle) => {
        const taken = 'failed' in reply ? undefined : take(reply, handle);
        if (taken === undefined && !('failed' in reply)) return false;
        clearTimeout(timer);
        if (taken === undefined) fail((reply as { failed: string }).failed);
        else resolve(taken);
        return true;
      });
    });
  }

  #end(why: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    fs.rmSync(this.#options.link, { force: true });
    for (const waiter of this.#waiters) waiter({ failed: why }, undefined);
    this.#waiters = [];
    this.#options.onEnd(why);
  }

  close(): void {
    this.#ended ??= 'closed';
    fs.rmSync(this.#options.link, { force: true });
    if (this.#child.connected) this.#child.disconnect();
  }
}
