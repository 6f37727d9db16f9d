import { type Command, InvalidArgumentError } from 'commander';
import { UserError } from '../../base/errors.ts';
import type { Streams } from '../command.ts';
import { formatYaml } from '../output/yaml.ts';

interface Flags {
  readonly name?: string;
  readonly namespace?: string;
  readonly labels: readonly string[];
  readonly annotations: readonly string[];
  readonly ports: readonly string[];
  readonly serviceAccount: string;
  readonly locality?: string;
  readonly network?: string;
  readonly weight: number;
}

const DESCRIPTION = `Creates a WorkloadGroup resource that provides a template for associated WorkloadEntries.
The default output is serialized YAML, which can be piped into 'isthmus apply -f -' or 'kubectl apply -f -'.`;

const EXAMPLES = `
Examples:
  isthmus workload group create --name foo --namespace bar --labels app=foo,bar=baz --ports grpc=3550,http=8080 \\
    --annotations annotation=foobar --serviceAccount sa
`;

/** `isthmus workload group create`: a WorkloadGroup made of flags. */
export function defineCreate(parent: Command, streams: Streams): void {
  parent
    .command('create')
    .summary('Creates a WorkloadGroup resource that provides a template for associated WorkloadEntries')
    .description(DESCRIPTION)
    .option('-a, --annotations <pairs>', 'The annotations to apply to the workload instances', list, [])
    .option('-l, --labels <pairs>', 'The labels to apply to the workload instances; e.g. -l env=prod,vers=2', list, [])
    .option('--locality <text>', 'The locality associated with the endpoint.')
    .option('--name <name>', 'The name of the workload group')
    .option('-n, --namespace <name>', 'The namespace that the workload instances will belong to')
    .option('--network <name>', 'Network enables Istio to group endpoints resident in the same L3 domain/network.')
    .option('-p, --ports <pairs>', 'The incoming ports exposed by the workload instance', list, [])
    .option('-s, --serviceAccount <name>', 'The service identity to associate with the workload instances', 'default')
    .option('-w, --weight <number>', 'The load balancing weight associated with the endpoint.', weight, 0)
    .allowExcessArguments()
    .addHelpText('after', EXAMPLES)
    .action((flags: Flags) => create(flags, streams));
}

function list(text: string, earlier: readonly string[]): string[] {
  return text === '' ? [...earlier] : [...earlier, ...text.split(',')];
}

function weight(text: string): number {
  const quoted = `strconv.ParseUint: parsing ${JSON.stringify(text)}`;
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError(`${quoted}: invalid syntax`);
  if (Number(text) > MAX_UINT32) throw new InvalidArgumentError(`${quoted}: value out of range`);
  return Number(text);
}

const MAX_UINT32 = 4_294_967_295;

function create(flags: Flags, streams: Streams): void {
  const { name, namespace, serviceAccount, locality, network } = flags;
  if (!name) throw new UserError('expecting a workload name');
  if (!namespace) throw new UserError('expecting a workload namespace');
  const annotations = pairs(flags.annotations);
  const labels = pairs(flags.labels);
  const ports = new Map([...pairs(flags.ports)].map(([port, number]) => [port, portNumber(port, number)]));
  const group = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadGroup',
    metadata: { name, namespace },
    spec: {
      metadata: { ...(annotations.size > 0 && { annotations }), ...(labels.size > 0 && { labels }) },
      template: {
        ...(locality && { locality }),
        ...(network && { network }),
        ...(ports.size > 0 && { ports }),
        ...(serviceAccount && { serviceAccount }),
        ...(flags.weight > 0 && { weight: flags.weight }),
      },
    },
  };
  streams.stdout.write(formatYaml(group));
}

/** `a=1` and `b`, which is a name without a value; the last of two of the same name counts. */
function pairs(texts: readonly string[]): Map<string, string> {
  return new Map(
    texts.map((text) => {
      const at = text.indexOf('=');
      return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** A port that cannot be one is an error here, where istioctl logs it and goes on with 0. */
function portNumber(name: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535)
    throw new UserError(`--ports: ${JSON.stringify(`${name}=${text}`)} must be a name and a number from 1 to 65535`);
  return port;
}
