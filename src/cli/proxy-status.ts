import { type Command, InvalidArgumentError } from 'commander';
import { UserError } from '../base/errors.ts';
import { ISTIO_VERSION } from '../base/version.ts';
import type { Streams } from './command.ts';
import {
  addProxyFlags,
  adminAddress,
  askAdmin,
  MeshClient,
  type ProxyFlags,
  warnOfClusterFlags,
} from './mesh-client.ts';
import { formatJsonpb } from './output/json.ts';
import { formatYaml } from './output/yaml.ts';
import { portFlag, readSource } from './proxy-config/source.ts';
import { compareDumps } from './proxy-diff.ts';
import { describeRefusals, readSyncz, summarizeSync, syncMessage, tabulateSync } from './sync-status.ts';

interface Flags extends ProxyFlags {
  readonly output: string;
  readonly verbosity: number;
  readonly file?: string;
  readonly proxyAdminPort?: number;
}

/** What the control plane of a local mesh calls itself: `POD_NAME` of its process. */
const ISTIOD = 'istiod';

const EXAMPLES = `
Examples:
  # What each proxy of the mesh follows
  isthmus proxy-status

  # Whether it has what it was sent last, and since when
  isthmus proxy-status -v 1

  # Whether one proxy runs with what the control plane has for it, and what differs
  isthmus proxy-status deploy/catalog.shop
`;

/** `isthmus proxy-status`: what istioctl's command of that name prints, of the local mesh. */
export function define(command: Command, streams: Streams): void {
  command
    .argument('[name]', 'a proxy, to compare what it runs with to what the control plane has')
    .usage('[<type>/]<name>[.<namespace>] [flags]')
    .description('Show what the control plane has sent to each proxy, and what the proxies have acknowledged.')
    .option('-o, --output <format>', 'output format: json, yaml or table', 'table')
    .option('-v, --verbosity <level>', '1 shows the status of each type', levelFlag, 0)
    .option('--file <file>', 'compare with what the admin interface has answered earlier; - is the standard input')
    .option('--proxy-admin-port <port>', "port of the proxy's admin interface (default: the mesh's)", portFlag);
  addProxyFlags(command).addHelpText('after', EXAMPLES);
  command.action(async (name: string | undefined, flags: Flags) => {
    warnOfClusterFlags(command, streams);
    const client = await MeshClient.connect(process.env, flags.mesh);
    if (name === undefined) await showAll(client, flags, streams);
    else streams.stdout.write(await compareOne(client, name, flags, streams));
  });
}

function levelFlag(text: string): number {
  if (!/^\d$/.test(text)) throw new InvalidArgumentError('it must be 0 or 1');
  return Number(text);
}

async function showAll(client: MeshClient, flags: Flags, streams: Streams): Promise<void> {
  const { namespace = '', output, verbosity } = flags;
  if (!['json', 'yaml', 'table'].includes(output))
    throw new UserError(`output format ${JSON.stringify(output)} not supported`);
  const proxies = readSyncz(await client.debug(`syncz?namespace=${encodeURIComponent(namespace)}`));
  if (output === 'table') {
    const table = verbosity > 0 ? tabulateSync(proxies, ISTIOD, Date.now()) : summarizeSync(proxies, ISTIOD);
    streams.stdout.write(table);
  } else {
    const message = syncMessage(proxies, ISTIOD, ISTIO_VERSION);
    streams.stdout.write(`${output === 'json' ? formatJsonpb(message) : formatYaml(message)}\n`);
  }
  for (const refusal of describeRefusals(proxies)) streams.stderr.write(`${refusal}\n`);
}

async function compareOne(client: MeshClient, name: string, flags: Flags, streams: Streams): Promise<string> {
  const [proxy] = await client.find(name, flags.namespace);
  const wanted = client.debug(`config_dump?proxyID=${encodeURIComponent(proxy!.id)}`);
  const actual = flags.file
    ? readSource(flags.file, streams)
    : askAdmin(adminAddress(proxy!, flags.proxyAdminPort), 'config_dump');
  const [istiod, envoy] = await Promise.all([wanted, actual]);
  return compareDumps(istiod, envoy);
}
