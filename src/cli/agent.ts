import { Argument, type Command, InvalidArgumentError, Option } from 'commander';

interface Flags {
  readonly proxy?: string;
  readonly dir: string;
  readonly exitWithParent?: boolean;
  readonly domain?: string;
  readonly meshConfig: string;
  readonly serviceCluster: string;
  readonly concurrency: number;
  readonly proxyLogLevel: string;
  readonly proxyComponentLogLevel?: string;
  readonly log_output_level?: string;
  readonly log_as_json?: boolean | string;
  readonly templateFile?: string;
  readonly stsPort?: number;
  readonly outlierLogPath?: string;
}

/** Flags of pilot-agent that mean nothing here, with the reason that is given when one is used. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  log_caller: 'lines do not name their caller',
  log_stacktrace_level: 'lines of errors carry their stack',
  log_target: 'lines go to standard output',
  profiling: 'profiles are taken with node --cpu-prof',
  tokenManagerPlugin: 'there is no security token service',
  vklog: 'there is no Kubernetes client',
};

/** `isthmus agent`: what `pilot-agent proxy` is in Istio. */
export function define(command: Command): void {
  command
    .addArgument(new Argument('<type>', 'what the proxy is').choices(['sidecar', 'router']))
    .option('--proxy <program>', 'run this Envoy instead of our own proxy, which needs no process of its own')
    .option('--dir <folder>', 'working folder, in which ./var/run, ./etc and the like lie', '.')
    .option('--exit-with-parent', 'end when standard input (or the IPC channel) closes')
    .option('--domain <suffix>', 'DNS domain of the node (default: $POD_NAMESPACE.svc.cluster.local)')
    .option('--meshConfig <file>', 'mesh configuration, whose defaultConfig counts', './etc/istio/config/mesh')
    .option('--serviceCluster <name>', 'name of the workload in traces', 'istio-proxy')
    .option('--concurrency <n>', 'worker threads of Envoy; 0 leaves it to Envoy', count, 0)
    .option(
      '--proxyLogLevel <levels>',
      'level of the proxy, also by component: info,upstream:debug',
      'warning,misc:error',
    )
    .option('--proxyComponentLogLevel <levels>', 'levels of components, where --proxyLogLevel has none')
    .option('--log_output_level <levels>', 'levels of the agent by scope: default:info,ca:debug')
    .option('--log_as_json [bool]', 'log lines of the agent are JSON')
    .option('--outlierLogPath <file>', 'file in which the proxy writes down which hosts it ejects')
    .addOption(new Option('--templateFile <file>').hideHelp())
    .addOption(new Option('--stsPort <port>').argParser(count).hideHelp())
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', NOTES);
  command.action(async (role: 'sidecar' | 'router', flags: Flags) => {
    const { runAgent } = await import('../app/agent.ts');
    process.exitCode = await runAgent(
      {
        role,
        proxy: flags.proxy,
        dir: flags.dir,
        domain: flags.domain,
        meshConfig: flags.meshConfig,
        serviceCluster: flags.serviceCluster,
        concurrency: flags.concurrency,
        proxyLogLevel: flags.proxyLogLevel,
        proxyComponentLogLevel: flags.proxyComponentLogLevel,
        outlierLogPath: flags.outlierLogPath,
        logOutputLevel: flags.log_output_level,
        logAsJson: flags.log_as_json === true || flags.log_as_json === 'true',
        exitWithParent: flags.exitWithParent === true,
        warnings: warnings(command, flags),
      },
      process.env,
    );
    // A socket that a peer holds open must not keep an agent that has ended.
    process.exit();
  });
}

const NOTES = `
Environment and files are those of pilot-agent: PROXY_CONFIG (JSON or YAML), CA_ADDR, CA_ROOT_CA, XDS_ROOT_CA,
ISTIOD_SAN, POD_NAME, POD_NAMESPACE, INSTANCE_IP, SERVICE_ACCOUNT, TRUST_DOMAIN, ISTIO_META_*, ISTIO_METAJSON_*,
SECRET_TTL, SECRET_GRACE_PERIOD_RATIO, SECRET_GRACE_PERIOD_RATIO_JITTER, OUTPUT_CERTS, PROV_CERT,
FILE_MOUNTED_CERTS, ECC_SIGNATURE_ALGORITHM, ECC_CURVE, WORKLOAD_RSA_KEY_SIZE, WORKLOAD_IDENTITY_SOCKET_FILE,
EXIT_ON_ZERO_ACTIVE_CONNECTIONS, MINIMUM_DRAIN_DURATION, ENVOY_STATUS_PORT, ENVOY_PROMETHEUS_PORT, DISABLE_ENVOY,
ISTIO_KUBE_APP_PROBERS, ISTIO_PROMETHEUS_ANNOTATIONS, ISTIO_BOOTSTRAP_OVERRIDE, ISTIO_DELTA_XDS; in the working folder
./var/run/secrets/tokens/istio-token, ./var/run/secrets/istio/root-cert.pem, ./etc/certs, ./etc/istio/pod/labels and
./etc/istio/pod/annotations. proxyMetadata counts as environment where a variable is not set.

Our own:
  ISTHMUS_AGENT_ADDRESS  address of the listeners for admin (15000), status (15020), readiness (15021) and metrics
                         (15090), so that many agents share one machine: 127.0.0.5. Default: as Istio's, 127.0.0.1 for
                         admin and every address for the others
  ISTHMUS_SDS_SOCKET     name of the socket in ./var/run/secrets/workload-spiffe-uds on which secrets are served to
                         another process. Default: socket
  ISTHMUS_AGENT_STATE    folder for the last good certificates and configuration, with which an agent starts while its
                         control plane is away; empty keeps none. Default: ./var/lib/istio/data

The first SIGTERM or SIGINT drains the proxy for terminationDrainDuration (5s) and ends; a second one ends at once.
The exit code is 0, or that of an Envoy that failed.

Examples:
  isthmus agent sidecar --dir ./reviews-v1
  isthmus agent router --proxy /usr/local/bin/envoy`;

function count(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

function warnings(command: Command, flags: Flags): string[] {
  if (flags.templateFile) command.error('error: --templateFile: a bootstrap is not made from a Go template.');
  if (flags.stsPort) command.error('error: --stsPort: there is no security token service.');
  return command.args.slice(1).flatMap((argument) => {
    const name = /^--?([\w-]+)/.exec(argument)?.[1];
    if (name === undefined) return [];
    const reason = Object.hasOwn(WITHOUT_EFFECT, name) ? WITHOUT_EFFECT[name] : 'it is not known';
    return [`--${name} has no effect: ${reason}`];
  });
}
