import { type Command, CommanderError } from 'commander';
import { messageOf, UserError } from '../base/errors.ts';
import { ISTIO_VERSION, PACKAGE_VERSION } from '../base/version.ts';
import { type CommandModule, EXIT_USAGE, GLOBAL_FLAGS, GoCommand, type Streams } from './command.ts';

const RUN = 'Run a mesh or a part of it:';
const OBJECTS = 'Objects of a running mesh:';
const INSPECT = 'Look into a running mesh:';
const CONFIGURE = 'Configuration and certificates:';
const OTHER = 'Other:';

/**
 * The commands, in the order in which `--help` lists them. A command is one file that parses its flags, calls `app` or
 * a module, and prints; it is loaded only when it is asked for, because a sidecar must not pay for the others.
 */
const commands: readonly CommandEntry[] = [
  { name: 'up', group: RUN, summary: 'Run a mesh out of a folder of YAML', load: () => import('./up.ts') },
  {
    name: 'run',
    group: RUN,
    summary: 'Run a program as a workload of a running mesh',
    load: () => import('./run.ts'),
  },
  {
    name: 'status',
    group: RUN,
    summary: 'Show how a running mesh is, and what is wrong with it',
    load: () => import('./status/index.ts'),
  },
  { name: 'down', group: RUN, summary: 'Stop a running mesh', load: () => import('./down.ts') },
  {
    name: 'proxy',
    group: RUN,
    summary: 'Run the data plane: what Envoy is in Istio',
    load: () => import('./proxy.ts'),
  },
  {
    name: 'agent',
    group: RUN,
    summary: 'Run a proxy with its certificates: what pilot-agent is in Istio',
    load: () => import('./agent.ts'),
  },
  {
    name: 'vm',
    group: RUN,
    summary: 'Invite machines into a mesh, and run one as a member',
    load: () => import('./vm/index.ts'),
  },
  {
    name: 'join',
    group: RUN,
    summary: 'Make this machine a member of the mesh that has invited it',
    load: () => import('./join.ts'),
  },
  { name: 'discovery', group: RUN, summary: 'Run the control plane', load: () => import('./discovery.ts') },
  {
    name: 'apply',
    group: OBJECTS,
    summary: 'Create and change objects, as kubectl apply does',
    load: () => import('./apply.ts'),
  },
  {
    name: 'create',
    group: OBJECTS,
    summary: 'Create secrets, config maps and the like out of files, as kubectl create does',
    load: () => import('./create/index.ts'),
  },
  {
    name: 'get',
    group: OBJECTS,
    summary: 'Show objects that are in force, as kubectl get does',
    load: () => import('./get.ts'),
  },
  {
    name: 'delete',
    group: OBJECTS,
    summary: 'Remove objects, as kubectl delete does',
    load: () => import('./delete.ts'),
  },
  {
    name: 'logs',
    group: OBJECTS,
    summary: 'Print what programs and proxies print',
    load: () => import('./logs/index.ts'),
  },
  {
    name: 'exec',
    group: OBJECTS,
    summary: 'Run a command as a program of a pod would run',
    load: () => import('./exec.ts'),
  },
  { name: 'restart', group: OBJECTS, summary: 'Restart workloads, pod by pod', load: () => import('./restart.ts') },
  {
    name: 'proxy-config',
    aliases: ['pc'],
    group: INSPECT,
    summary: 'Show the configuration that a proxy runs with',
    load: () => import('./proxy-config/index.ts'),
  },
  {
    name: 'proxy-status',
    aliases: ['ps'],
    group: INSPECT,
    summary: 'Show whether proxies have what the control plane sent',
    load: () => import('./proxy-status.ts'),
  },
  {
    name: 'analyze',
    group: CONFIGURE,
    summary: 'Find mistakes in how objects fit together, in files or in a running mesh',
    load: () => import('./analyze.ts'),
  },
  {
    name: 'ca',
    group: CONFIGURE,
    summary: 'Make, issue and inspect certificates, and rotate the authority of a mesh',
    load: () => import('./ca.ts'),
  },
  {
    name: 'certs',
    group: CONFIGURE,
    summary: 'Show every certificate of a running mesh, and when it is renewed',
    load: () => import('./certs.ts'),
  },
  {
    name: 'validate',
    aliases: ['v'],
    group: CONFIGURE,
    summary: 'Check configuration files',
    load: () => import('./validate.ts'),
  },
  {
    name: 'workload',
    group: CONFIGURE,
    summary: 'Prepare virtual machines and other outside workloads to join a mesh',
    load: () => import('./workload/index.ts'),
  },
  {
    name: 'experimental',
    aliases: ['x', 'exp'],
    group: OTHER,
    summary: 'Commands that istioctl keeps here',
    load: () => import('./experimental.ts'),
  },
  {
    name: 'completion',
    group: OTHER,
    summary: 'Print what makes a shell complete commands and flags',
    load: () => import('./completion.ts'),
  },
  {
    name: 'version',
    group: OTHER,
    summary: 'Print the versions of this program, of control planes and of proxies',
    load: () => import('./version.ts'),
  },
];

interface CommandEntry {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** Heading of `--help` that it stands under. */
  readonly group: string;
  readonly summary: string;
  /** Module beside this one that exports {@link CommandModule}. */
  readonly load: () => Promise<CommandModule>;
}

/** Runs one command line and returns the exit code. */
export async function run(argv: readonly string[], streams: Streams = process): Promise<number> {
  try {
    if (argv[0] === '__complete') {
      const { complete } = await import('./completion.ts');
      streams.stdout.write(await complete(argv.slice(1), (name) => buildProgram(name, streams)));
      return 0;
    }
    const words = hoistGlobalFlags(argv);
    const operands = words.filter((word) => !word.startsWith('-'));
    const program = await buildProgram(operands[0] === 'help' ? operands[1] : operands[0], streams);
    await program.parseAsync(words, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof UserError) {
      if (error.message !== '') streams.stderr.write(`Error: ${error.message}\n`);
      return error.exitCode;
    }
    const stack = error instanceof Error ? error.stack : '';
    streams.stderr.write(`isthmus: unexpected error: ${messageOf(error)}\n${stack}\n`);
    return 70;
  }
}

/** The tree of commands, of which only the one that `name` or an alias says is whole. */
async function buildProgram(name: string | undefined, streams: Streams): Promise<Command> {
  const program = new GoCommand('isthmus')
    .description("A service mesh in one package: Istio's configuration, Envoy's protocol.")
    .usage('COMMAND [flags]')
    .version(`isthmus ${PACKAGE_VERSION} (Istio ${ISTIO_VERSION})`, '--version', 'print the version')
    .configureOutput({
      writeOut: (text) => streams.stdout.write(text),
      writeErr: (text) => streams.stderr.write(text),
    })
    .showSuggestionAfterError()
    .exitOverride()
    .helpCommand(false)
    .addHelpText('after', EXAMPLES);
  for (const entry of commands) {
    const command = program.command(entry.name).summary(entry.summary).description(entry.summary);
    command.helpGroup(entry.group).aliases(entry.aliases ?? []);
    if (entry.name === name || entry.aliases?.includes(name ?? '')) (await entry.load()).define(command, streams);
  }
  program
    .command('help [command...]')
    .summary('Tell about a command')
    .helpGroup(OTHER)
    .action((path: string[]) => showHelp(program, path));
  return program;
}

const EXAMPLES = `
Examples:
  # Run a mesh from a folder of Kubernetes and Istio YAML
  isthmus up examples/bookinfo

  # Whether files are what the mesh takes
  isthmus validate -f reviews.yaml

"isthmus help COMMAND" tells about a command.
`;

function showHelp(program: Command, path: readonly string[]): void {
  let command = program;
  for (const word of path) {
    const next = command.commands.find((c) => c.name() === word || c.aliases().includes(word));
    if (next === undefined)
      throw new UserError(`unknown help topic ${JSON.stringify(path.join(' '))}\nRun 'isthmus --help' for usage.`, {
        exitCode: EXIT_USAGE,
      });
    command = next;
  }
  command.outputHelp();
}

/** Puts global flags that stand before the command, or between it and its subcommand, where the command looks for them. */
function hoistGlobalFlags(argv: readonly string[]): string[] {
  const moved: string[] = [];
  const rest: string[] = [];
  let i = 0;
  for (let operands = 0; i < argv.length && operands < 2 && argv[i] !== '--'; i++) {
    const word = argv[i];
    if (GLOBAL_FLAGS.has(word.split('=', 1)[0])) {
      moved.push(word);
      if (!word.includes('=') && i + 1 < argv.length) moved.push(argv[++i]);
    } else {
      rest.push(word);
      if (!word.startsWith('-')) operands++;
    }
  }
  const end = argv.indexOf('--', i);
  const split = end < 0 ? argv.length : end;
  return [...rest, ...argv.slice(i, split), ...moved, ...argv.slice(split)];
}
