import { type Command, Option } from 'commander';
import { messageOf, UserError } from '../base/errors.ts';
import { ISTIO_VERSION, PACKAGE_VERSION } from '../base/version.ts';
import type { Streams } from './command.ts';
import { addProxyFlags, MeshClient, type ProxyFlags } from './mesh-client.ts';
import { compareText, formatJson, type Message } from './output/json.ts';
import { formatYaml } from './output/yaml.ts';
import { readSyncz } from './sync-status.ts';

interface Flags extends ProxyFlags {
  readonly output?: string;
  readonly remote: boolean;
  readonly short: boolean;
}

/** Istio's `BuildInfo`. */
interface Build extends Message {
  readonly version: string;
  readonly revision: string;
  readonly golang_version: string;
  readonly status: string;
  readonly tag: string;
}

interface DataPlane extends Message {
  readonly ID: string;
  readonly IstioVersion: string;
  readonly Type: string;
}

const EXAMPLES = `
Examples:
  # The version of Istio that this program stands for, and those of the control plane and the proxies of the mesh
  isthmus version

  # Of this program alone, with its own version
  isthmus version --remote=false --short=false

  # For scripts
  isthmus version -o json
`;

/** `isthmus version`: what istioctl's command of that name prints, of the local mesh. */
export function define(command: Command, streams: Streams): void {
  command
    .description('Print the versions of this program, of the control plane and of the proxies of the mesh that runs.')
    .option('-o, --output <format>', 'output format: yaml or json')
    .option('--remote', 'ask the mesh (default true)', true)
    .addOption(new Option('--no-remote').hideHelp())
    .option('-s, --short', 'print versions alone (default true)', true)
    .addOption(new Option('--no-short').hideHelp())
    .addOption(new Option('-r, --revision <name>').hideHelp());
  addProxyFlags(command).addHelpText('after', EXAMPLES);
  command.action((flags: Flags) => show(flags, streams));
}

async function show(flags: Flags, streams: Streams): Promise<void> {
  const { output } = flags;
  if (output !== undefined && output !== 'json' && output !== 'yaml')
    throw new UserError("--output must be 'yaml' or 'json'");
  const client = buildOf(ISTIO_VERSION, `isthmus-${PACKAGE_VERSION}`);
  const remote = flags.remote ? await askMesh(flags, streams) : undefined;
  if (output === undefined) {
    streams.stdout.write(flags.short ? describeShort(client, remote) : describeLong(client, remote));
    return;
  }
  const message: Message = {
    clientVersion: client,
    ...(remote === undefined
      ? {}
      : {
          meshVersion: [{ Component: 'pilot', Revision: 'default', Info: remote.controlPlane }],
          dataPlaneVersion: remote.proxies,
        }),
  };
  streams.stdout.write(`${output === 'json' ? formatJson(message, '  ') : formatYaml(message)}\n`);
}

interface Remote {
  readonly controlPlane: Build;
  readonly proxies: readonly DataPlane[];
}

/** Nothing if no mesh runs, which is worth a line and no more, unless one was named. */
async function askMesh(flags: Flags, streams: Streams): Promise<Remote | undefined> {
  let mesh: MeshClient;
  try {
    mesh = await MeshClient.connect(process.env, flags.mesh);
  } catch (error) {
    if (!(error instanceof UserError) || flags.mesh !== undefined) throw error;
    streams.stderr.write(`no versions of a mesh: ${messageOf(error)}\n`);
    return undefined;
  }
  const [version, syncz] = await Promise.all([mesh.controlPlaneVersion(), mesh.debug('syncz')]);
  return {
    controlPlane: buildOf(version),
    proxies: readSyncz(syncz).map(({ proxy, istio_version, proxy_type }) => ({
      ID: proxy,
      IstioVersion: istio_version,
      Type: proxy_type,
    })),
  };
}

function buildOf(version: string, tag = ''): Build {
  return { version, revision: '', golang_version: '', status: '', tag };
}

function describeShort(client: Build, remote: Remote | undefined): string {
  const lines = [`client version: ${client.version}`];
  if (remote !== undefined) {
    lines.push(`control plane version: ${remote.controlPlane.version}`);
    lines.push(`data plane version: ${describeProxies(remote.proxies)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** `1.30.0 (1 proxies), 1.31.0 (4 proxies)` */
function describeProxies(proxies: readonly DataPlane[]): string {
  if (proxies.length === 0) return 'none';
  const versions = [...new Set(proxies.map(({ IstioVersion }) => IstioVersion))].sort(compareText);
  const count = (version: string) => proxies.filter(({ IstioVersion }) => IstioVersion === version).length;
  return versions.map((version) => `${version} (${count(version)} proxies)`).join(', ');
}

function describeLong(client: Build, remote: Remote | undefined): string {
  const lines = [`client version: ${buildText(client)}`];
  if (remote !== undefined) {
    lines.push(`pilot version: ${buildText(remote.controlPlane)}`);
    for (const { ID, IstioVersion, Type } of remote.proxies) {
      lines.push(
        `data plane version: version.ProxyInfo{ID:${quote(ID)}, IstioVersion:${quote(IstioVersion)}, Type:${quote(Type)}}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

/** As Go prints the struct. */
function buildText({ version, revision, golang_version, status, tag }: Build): string {
  const members = {
    Version: version,
    GitRevision: revision,
    GolangVersion: golang_version,
    BuildStatus: status,
    GitTag: tag,
  };
  const text = Object.entries(members).map(([name, value]) => `${name}:${quote(value)}`);
  return `version.BuildInfo{${text.join(', ')}}`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
