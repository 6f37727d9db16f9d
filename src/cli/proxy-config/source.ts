import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Command, InvalidArgumentError } from 'commander';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';
import { failWithUsage, type Streams } from '../command.ts';
import { addProxyFlags, adminAddress, askAdmin, MeshClient, type ProxyFlags } from '../mesh-client.ts';

/** Flags that say which proxy is meant. */
export interface SourceFlags extends ProxyFlags {
  readonly file?: string;
  readonly admin?: string;
  readonly proxyAdminPort?: number;
}

export const PROXY_USAGE = '[<type>/]<name>[.<namespace>] [flags]';

export function addSourceFlags(command: Command): Command {
  return addProxyFlags(command)
    .option('--admin <host:port>', 'ask this admin interface, also of an Envoy outside of any mesh')
    .option('--proxy-admin-port <port>', "port of the proxy's admin interface (default: the mesh's)", portFlag);
}

/** A port number, for an option; 0 for any. */
export function portFlag(value: string): number {
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65535) throw new InvalidArgumentError('it must be a port number');
  return Number(value);
}

/** Throws unless the command line says once where to read from. `what` is the command's name in the message. */
export function checkSource(
  command: Command,
  streams: Streams,
  names: readonly string[],
  flags: SourceFlags,
  what: string,
): void {
  const ways = names.length + (flags.file ? 1 : 0) + (flags.admin ? 1 : 0);
  if (ways !== 1) failWithUsage(command, streams, `${what} requires pod name or --file parameter`);
}

/** What the admin interface of the one proxy that is meant answers to `/PATH`, or what the file has. */
export async function readAnswer(
  names: readonly string[],
  flags: SourceFlags,
  path: string,
  streams: Streams,
): Promise<string> {
  if (flags.file) return readSource(flags.file, streams);
  const { admin } = (await adminsOf(names[0], flags))[0]!;
  return askAdmin(admin, path);
}

export interface Admin {
  /** `NAME.NAMESPACE`, or the address where no mesh knows it. */
  readonly id: string;
  /** `HOST:PORT`. */
  readonly admin: string;
}

/** The admin interfaces of what is named; at least one. Throws a UserError. */
export async function adminsOf(name: string | undefined, flags: SourceFlags): Promise<Admin[]> {
  if (flags.admin) return [{ id: flags.admin, admin: flags.admin }];
  const client = await MeshClient.connect(process.env, flags.mesh);
  const proxies = await client.find(name ?? '', flags.namespace);
  return proxies.map((proxy) => ({ id: proxy.id, admin: adminAddress(proxy, flags.proxyAdminPort) }));
}

/** A file, or the standard input for `-`. */
export async function readSource(file: string, streams: Streams): Promise<string> {
  try {
    return file === '-' ? await text(streams.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new UserError(`open ${file}: ${describe(error)}`, { cause: error });
  }
}

function describe(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'no such file or directory';
    case 'EACCES':
      return 'permission denied';
    case 'EISDIR':
      return 'is a directory';
    default:
      return messageOf(error);
  }
}
