import { runTool } from './tool.ts';

/** Where `ip netns` keeps the names. */
const FOLDER = '/run/netns';
/** What a namespace calls its end of the cable. */
export const INTERFACE = 'eth0';

export interface NamespaceOptions {
  /** As `ip netns list` shows it. */
  readonly name: string;
  /** Name of the outer end of its cable; 15 bytes at most. */
  readonly link: string;
  /** The bridge that the outer end is plugged into. */
  readonly bridge: string;
  /** Its IPv4 address with the length of the prefix. */
  readonly address: string;
  /** Where everything goes that is not on the bridge. */
  readonly gateway: string;
  /** The same of IPv6; without it there is none but `::1`. */
  readonly ipv6?: { readonly address: string; readonly gateway: string };
}

/** A network namespace of Linux with a cable (veth) to a bridge of the machine. Needs root. */
export class NetworkNamespace {
  readonly name: string;
  readonly #link: string;

  private constructor(name: string, link: string) {
    this.name = name;
    this.#link = link;
  }

  /** Words before a command that run it in the namespace of this name. */
  static entrance(name: string): string[] {
    return ['nsenter', `--net=${FOLDER}/${name}`];
  }

  /** Throws a ToolError, and leaves nothing behind then. */
  static async create({ name, link, bridge, address, gateway, ipv6 }: NamespaceOptions): Promise<NetworkNamespace> {
    const namespace = new NetworkNamespace(name, link);
    const ip = (...args: string[]) => runTool('ip', args);
    const inside = (...args: string[]) => runTool('ip', ['-n', name, ...args]);
    try {
      await ip('netns', 'add', name);
      await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', INTERFACE, 'netns', name);
      await ip('link', 'set', link, 'master', bridge, 'up');
      await inside('link', 'set', 'lo', 'up');
      // No address of IPv6 makes itself: what is not captured must not be a way.
      await inside('link', 'set', INTERFACE, 'addrgenmode', 'none');
      await inside('addr', 'add', address, 'dev', INTERFACE);
      await inside('link', 'set', INTERFACE, 'up');
      await inside('route', 'add', 'default', 'via', gateway);
      if (ipv6 !== undefined) {
        // Nobody else can have it: waiting until that is certain would cost a second.
        await inside('addr', 'add', ipv6.address, 'dev', INTERFACE, 'nodad');
        await inside('-6', 'route', 'add', 'default', 'via', ipv6.gateway, 'dev', INTERFACE);
      }
      return namespace;
    } catch (error) {
      await namespace.delete();
      throw error;
    }
  }

  /** Runs a tool in it. */
  run(command: string, args: readonly string[], input?: string): Promise<string> {
    const [program = '', ...rest] = NetworkNamespace.entrance(this.name);
    return runTool(program, [...rest, '--', command, ...args], input);
  }

  /** Takes the cable away, so that nothing comes in or goes out, and the name. */
  async delete(): Promise<void> {
    await removeLink(this.#link);
    await removeNamespace(this.name);
  }
}

/** Names of the namespaces that the machine has. */
export async function namespaceNames(): Promise<string[]> {
  const text = await runTool('ip', ['netns', 'list']);
  return text.split('\n').flatMap((line) => line.trim().split(' ')[0] || []);
}

/** Names of the interfaces here. */
export async function linkNames(): Promise<string[]> {
  const text = await runTool('ip', ['-o', 'link', 'show']);
  return text.split('\n').flatMap((line) => /^\d+: ([^:@ ]+)/.exec(line)?.[1] ?? []);
}

/** Does nothing if it is gone already. */
export async function removeLink(name: string): Promise<void> {
  await runTool('ip', ['link', 'del', name]).catch(() => {});
}

/** Does nothing if it is gone already. */
export async function removeNamespace(name: string): Promise<void> {
  await runTool('ip', ['netns', 'del', name]).catch(() => {});
}
