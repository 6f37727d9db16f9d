import type { Command } from 'commander';
import { UserError } from '../../base/errors.ts';
import type { Streams } from '../command.ts';
import { warnOfClusterFlags } from '../mesh-client.ts';
import { defineLog } from './log.ts';
import { defineRootCaCompare } from './rootca-compare.ts';
import { addSourceFlags, checkSource, PROXY_USAGE, portFlag, readAnswer, type SourceFlags } from './source.ts';
import {
  allView,
  bootstrapView,
  clusterView,
  ecdsView,
  edsView,
  endpointView,
  listenerView,
  type OutputFormat,
  routeView,
  secretView,
  type View,
  type ViewFlags,
} from './views.ts';

interface ViewCommand {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly what: string;
  /** Of the admin interface. */
  readonly path: string;
  readonly view: View;
  readonly flags: readonly (keyof typeof FLAGS)[];
  readonly examples: string;
  /** In what is said about missing arguments, where it is not the name. */
  readonly plural?: string;
  readonly output?: OutputFormat;
  readonly hidden?: boolean;
}

/** Filters, with what they are about where that is the command's own. */
const FLAGS = {
  address: ['--address <address>', 'only what has this address'],
  cluster: ['--cluster <name>', 'only endpoints of this cluster'],
  direction: ['--direction <direction>', 'only clusters with this in their direction: inbound or outbound'],
  fqdn: ['--fqdn <name>', 'only clusters with this in their host name'],
  name: ['--name <name>', 'only the route configuration of this name'],
  port: ['--port <port>', 'only what has this port'],
  status: ['--status <status>', 'only endpoints with this health status'],
  subset: ['--subset <name>', 'only clusters with this in their subset'],
  type: ['--type <type>', 'only listeners of this type: HTTP, TCP or HTTP+TCP'],
  verbose: ['--verbose', 'print more than a line each (default true)'],
  withHeaders: ['--with-headers', 'print a heading above each table'],
} as const;

const VIEWS: readonly ViewCommand[] = [
  {
    name: 'all',
    aliases: ['a'],
    what: 'everything',
    path: 'config_dump?include_eds=true',
    view: allView,
    flags: ['address', 'direction', 'fqdn', 'name', 'port', 'subset', 'type', 'verbose', 'withHeaders'],
    examples: `
  # All that a proxy has, in tables
  isthmus proxy-config all catalog-6f7d-x2x7k.shop --with-headers

  # All of it, as the proxy prints it
  isthmus proxy-config all deploy/catalog.shop -o json`,
  },
  {
    name: 'bootstrap',
    aliases: ['b'],
    what: 'the bootstrap',
    path: 'config_dump?mask=bootstrap',
    view: bootstrapView,
    flags: [],
    output: 'json',
    examples: `
  # The bootstrap that a proxy was started with
  isthmus proxy-config bootstrap deploy/catalog.shop

  # Which versions it says it is of
  isthmus proxy-config bootstrap deploy/catalog.shop -o short`,
  },
  {
    name: 'cluster',
    aliases: ['clusters', 'c'],
    what: 'clusters',
    path: 'config_dump?mask=dynamic_active_clusters,static_clusters',
    view: clusterView,
    flags: ['direction', 'fqdn', 'port', 'subset'],
    examples: `
  # Where a proxy can send requests, and which DestinationRule says how
  isthmus proxy-config clusters deploy/catalog.shop

  # All about the cluster of one service and port
  isthmus proxy-config clusters deploy/catalog.shop --fqdn prices.shop.svc.cluster.local --port 80 -o yaml`,
  },
  {
    name: 'ecds',
    aliases: ['ec'],
    what: 'extension configurations',
    path: 'config_dump?include_eds=true',
    view: ecdsView,
    flags: [],
    examples: `
  # Filters whose configuration came by itself
  isthmus proxy-config ecds deploy/catalog.shop`,
  },
  {
    name: 'endpoint',
    aliases: ['endpoints', 'ep'],
    what: 'endpoints, with what the proxy knows of their health',
    path: 'clusters?format=json',
    view: endpointView,
    flags: ['address', 'cluster', 'port', 'status'],
    plural: 'endpoints',
    examples: `
  # Endpoints of one cluster
  isthmus proxy-config endpoints deploy/catalog.shop --cluster "outbound|80||prices.shop.svc.cluster.local"

  # Those that are not healthy, with their statistics
  isthmus proxy-config endpoints deploy/catalog.shop --status unhealthy -o json

  # From what was saved elsewhere
  curl -s 'localhost:15000/clusters?format=json' > clusters.json
  isthmus proxy-config endpoints --file clusters.json`,
  },
  {
    name: 'eds',
    aliases: [],
    what: 'endpoints, as the control plane sent them',
    path: 'config_dump?include_eds=true',
    view: edsView,
    flags: ['address', 'cluster', 'port', 'status'],
    hidden: true,
    examples: `
  # Endpoints with their localities
  isthmus proxy-config eds deploy/catalog.shop`,
  },
  {
    name: 'listener',
    aliases: ['listeners', 'l'],
    what: 'listeners',
    path: 'config_dump?mask=dynamic_listeners,static_listeners',
    view: listenerView,
    flags: ['address', 'port', 'type', 'verbose'],
    examples: `
  # What a proxy listens on, and where each filter chain leads
  isthmus proxy-config listeners deploy/catalog.shop

  # All about the HTTP listeners of every address
  isthmus proxy-config listeners deploy/catalog.shop --type HTTP --address 0.0.0.0 -o json`,
  },
  {
    name: 'route',
    aliases: ['routes', 'r'],
    what: 'routes',
    path: 'config_dump?mask=dynamic_route_configs,static_route_configs',
    view: routeView,
    flags: ['name', 'verbose'],
    examples: `
  # Which hosts and paths a proxy knows, and which VirtualService says so
  isthmus proxy-config routes deploy/catalog.shop

  # All about the routes of port 9080
  isthmus proxy-config routes deploy/catalog.shop --name 9080 -o yaml`,
  },
  {
    name: 'secret',
    aliases: ['secrets', 's'],
    what: 'certificates, and those that it waits for; of private keys only that there are any',
    path: 'config_dump?mask=dynamic_active_secrets,dynamic_warming_secrets',
    view: secretView,
    flags: [],
    examples: `
  # Which certificates a proxy has, and until when
  isthmus proxy-config secrets deploy/catalog.shop`,
  },
];

const EXAMPLES = `
Examples:
  # What a proxy of the running mesh listens on, where its routes lead, and what is there
  isthmus proxy-config listeners deploy/catalog.shop
  isthmus proxy-config routes deploy/catalog.shop
  isthmus proxy-config endpoints deploy/catalog.shop

  # A proxy is named by its pod, by what the pod is of, or by a service that it is behind
  isthmus pc clusters catalog-6f7d-x2x7k -n shop
  isthmus pc clusters svc/catalog.shop

  # An Envoy that no mesh on this machine knows, now or from a file
  isthmus pc routes --admin 10.0.0.7:15000
  curl -s 'localhost:15000/config_dump?include_eds=true' > dump.json
  isthmus pc all --file dump.json
`;

/** `isthmus proxy-config`: what istioctl's command of that name prints, of proxies of the local mesh. */
export function define(command: Command, streams: Streams): void {
  command.description('Show the configuration that a proxy runs with, from its admin interface.');
  command.addHelpText('after', EXAMPLES);
  for (const view of VIEWS) defineView(command, view, streams);
  defineLog(command, streams);
  defineRootCaCompare(command, streams);
}

type Flags = SourceFlags & ViewFlags & { readonly output: string };

function defineView(group: Command, definition: ViewCommand, streams: Streams): void {
  const { name, aliases, what, flags, examples, output = 'short', hidden = false } = definition;
  const command = group
    .command(`${name} [names...]`, { hidden })
    .usage(PROXY_USAGE)
    .aliases([...aliases]);
  command.summary(`Show ${what}`).description(`Show ${what} of a proxy.`);
  for (const flag of flags) {
    const [declaration, description] = FLAGS[flag];
    if (flag === 'port') command.option(declaration, description, portFlag);
    else command.option(declaration, description);
    if (flag === 'verbose') command.addOption(command.createOption('--no-verbose').hideHelp());
  }
  command.option('-f, --file <file>', 'read what the admin interface has answered; - is the standard input');
  command.option('-o, --output <format>', 'output format: json, yaml or short', output);
  addSourceFlags(command).addHelpText('after', `\nExamples:${examples}\n`);
  command.action(async (names: string[], options: Flags) => {
    checkSource(command, streams, names, options, definition.plural ?? name);
    warnOfClusterFlags(command, streams);
    const answer = await readAnswer(names, options, definition.path, streams);
    for (const text of definition.view(answer, formatOf(options.output), options)) streams.stdout.write(text);
  });
}

function formatOf(output: string): OutputFormat {
  if (output === 'json' || output === 'yaml' || output === 'short') return output;
  throw new UserError(`output format ${JSON.stringify(output)} not supported`);
}
