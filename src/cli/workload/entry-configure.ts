import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { openWorkloadSource, type WorkloadSource } from '../../app/workload-source.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import { clusterEnv, formatClusterEnv } from '../../config/virtual-machine/cluster-env.ts';
import { type JoiningGroup, readJoiningGroup } from '../../config/virtual-machine/joining-group.ts';
import { istiodHost, memberProxyConfig } from '../../config/virtual-machine/proxy-config.ts';
import type { Streams } from '../command.ts';
import type { Printable } from '../output/json.ts';
import { formatYaml } from '../output/yaml.ts';

interface Flags {
  readonly autoregister?: boolean;
  readonly captureDns: boolean;
  readonly clusterID?: string;
  readonly context?: string;
  readonly externalIP?: string;
  readonly file?: string;
  readonly ingressIP?: string;
  readonly ingressService: string;
  readonly internalIP?: string;
  readonly istioNamespace: string;
  readonly kubeconfig?: string;
  readonly mesh?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly output?: string;
  readonly revision: string;
  readonly tokenDuration: number;
}

const DESCRIPTION = `Generates all the required configuration files for workload instance on a VM or non-Kubernetes environment from a WorkloadGroup artifact.
This includes a MeshConfig resource, the cluster.env file, and necessary certificates and security tokens.
Configure requires either the WorkloadGroup artifact path or its location on the API server: that of the mesh that runs on this machine, or of the cluster that --kubeconfig or --context names.`;

const EXAMPLES = `
Examples:
  # configure example using a local WorkloadGroup artifact
  isthmus workload entry configure -f workloadgroup.yaml -o config

  # configure example using the API server
  isthmus workload entry configure --name foo --namespace bar -o config
`;

/** `isthmus workload entry configure`: the files with which a machine joins the mesh. */
export function defineConfigure(parent: Command, streams: Streams): void {
  const command = parent
    .command('configure')
    .summary('Generates all the required configuration files for a workload instance running on a VM')
    .description(DESCRIPTION)
    .option('--autoregister', 'Creates a WorkloadEntry upon connection to istiod (if enabled in pilot).')
    .option('--capture-dns', 'Enables the capture of outgoing DNS packets on port 53, redirecting to the agent', true)
    .option('--no-capture-dns', 'Leaves DNS alone')
    .option('--clusterID <name>', 'The ID used to identify the cluster')
    .option('--externalIP <ip>', 'External IP address of the workload')
    .option('-f, --file <file>', 'filename of the WorkloadGroup artifact. Leave this empty if using the API server')
    .option('--ingressIP <ip>', 'IP address of the ingress gateway')
    .option(
      '--ingressService <name>',
      'Name of the Service to be used as the ingress gateway, in the format <service>.<namespace>; without a ' +
        "namespace, istio-system's",
      'istio-eastwestgateway',
    )
    .option('--internalIP <ip>', 'Internal IP address of the workload')
    .option('--name <name>', 'The name of the workload group')
    .option('-n, --namespace <name>', 'The namespace that the workload instances belong to')
    .option('-o, --output <folder>', 'Output directory for generated files')
    .option('-r, --revision <name>', 'Control plane revision', '')
    .option('--tokenDuration <seconds>', 'The token duration in seconds', seconds, 3600)
    .option('--mesh <name>', 'the mesh, where several run on this machine')
    .option('-c, --kubeconfig <file>', 'Kubernetes configuration file')
    .option('--context <name>', 'Kubernetes configuration context')
    .option('-i, --istioNamespace <name>', 'Istio system namespace', 'istio-system')
    .allowExcessArguments()
    .addHelpText('after', EXAMPLES);
  for (const flag of ['--as <user>', '--as-group <group>', '--as-uid <uid>', '--kubeclient-timeout <d>', '--vklog <n>'])
    command.addOption(command.createOption(flag).hideHelp());
  command.action((flags: Flags) => configure(flags, streams));
}

function seconds(text: string): number {
  if (!/^-?\d{1,15}$/.test(text))
    throw new InvalidArgumentError(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

async function configure(flags: Flags, streams: Streams): Promise<void> {
  const { file, name, namespace, output, internalIP, externalIP, istioNamespace, revision } = flags;
  if (!file && !(name && namespace))
    throw new UserError(
      'expecting a WorkloadGroup artifact file or the name and namespace of an existing WorkloadGroup',
    );
  if (!output) throw new UserError('expecting an output directory');
  if (internalIP && externalIP) throw new UserError('the flags --internalIP and --externalIP are mutually exclusive');
  const source = await openWorkloadSource(flags, process.env);
  const group = file ? readJoiningGroup(readText(file), file) : await source.group(namespace!, name!);
  const clusterId = flags.clusterID ?? (await detectClusterId(source, flags));
  const mesh = await source.meshConfig(istioNamespace, revision);
  const templateLabels = Object.entries(group.spec.template?.labels ?? {});
  if (templateLabels.length > 0) {
    const listed = templateLabels.map(([label, value]) => `${label}:${value}`).sort();
    streams.stdout.write(
      `Labels should be set in the metadata. The following WorkloadEntry labels will override metadata labels: map[${listed.join(' ')}]\n`,
    );
  }
  const proxyConfig = memberProxyConfig(group, mesh, {
    istioNamespace,
    revision,
    clusterId,
    autoRegister: flags.autoregister === true,
    captureDns: flags.captureDns,
  });
  const env = clusterEnv(group, proxyConfig, {
    istioNamespace,
    revision,
    internalIp: internalIP,
    externalIp: externalIP,
  });
  fs.mkdirSync(output, { recursive: true, mode: 0o744 });
  write(output, 'mesh.yaml', formatYaml({ defaultConfig: proxyConfig as Printable }));
  write(output, 'cluster.env', formatClusterEnv(env));
  await writeSecrets(source, group, flags, output, streams);
  write(output, 'hosts', await hosts(source, flags, streams));
  streams.stdout.write(`Configuration generation into directory ${output} was successful\n`);
}

async function detectClusterId(source: WorkloadSource, { istioNamespace, revision }: Flags): Promise<string> {
  try {
    return await source.clusterId(istioNamespace, revision);
  } catch (error) {
    throw new UserError(`failed to automatically determine the --clusterID: ${messageOf(error)}`);
  }
}

async function writeSecrets(
  source: WorkloadSource,
  { namespace, spec }: JoiningGroup,
  { tokenDuration }: Flags,
  output: string,
  streams: Streams,
): Promise<void> {
  const serviceAccount = spec.template?.serviceAccount ?? 'default';
  write(output, 'root-cert.pem', await source.rootCertificate(namespace));
  const token = await source.token(namespace, serviceAccount, tokenDuration);
  write(output, 'istio-token', token, 0o600);
  streams.stderr.write(
    `Warning: a security token for namespace ${JSON.stringify(namespace)} and service account ${JSON.stringify(serviceAccount)} ` +
      `has been generated and stored at ${JSON.stringify(path.join(output, 'istio-token'))}\n`,
  );
}

/** The line for /etc/hosts by which the machine finds the control plane; nothing where no gateway is known. */
async function hosts(source: WorkloadSource, flags: Flags, streams: Streams): Promise<string> {
  const { istioNamespace, revision } = flags;
  const host = istiodHost(istioNamespace, revision);
  let address = flags.ingressIP;
  if (!address || net.isIP(address) === 0) {
    const [service = '', namespace] = flags.ingressService.split('.');
    address = await source.gatewayAddress(namespace ?? istioNamespace, service);
  }
  if (address && net.isIP(address) !== 0) return `${address} ${host}\n`;
  streams.stderr.write(
    `Warning: could not auto-detect IP for ${host}/${istioNamespace}. Use --ingressIP to manually specify the Gateway address to reach istiod from the VM.\n`,
  );
  return '';
}

function write(folder: string, name: string, text: string, mode = 0o644): void {
  const file = path.join(folder, name);
  // The mode counts only for a file that is new.
  fs.rmSync(file, { force: true });
  fs.writeFileSync(file, text, { mode });
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(`${file} cannot be read: ${messageOf(error)}`);
  }
}
