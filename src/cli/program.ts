import { Command, CommanderError } from 'commander';
import { messageOf, UserError } from '../base/errors.ts';

/**
 * The commands, in the order in which `--help` lists them. A command is one file that parses its flags, calls `app` or
 * a module, and prints; it is loaded only when it is asked for, because a sidecar must not pay for the others.
 */
const commands: readonly CommandEntry[] = [
  { name: 'proxy', summary: 'Run the data plane: what Envoy is in Istio', load: () => import('./proxy.ts') },
  {
    name: 'agent',
    summary: 'Run a proxy with its certificates: what pilot-agent is in Istio',
    load: () => import('./agent.ts'),
  },
  { name: 'ca', summary: 'Make, issue and inspect certificates', load: () => import('./ca.ts') },
  { name: 'discovery', summary: 'Run the control plane', load: () => import('./discovery.ts') },
  { name: 'validate', aliases: ['v'], summary: 'Check configuration files', load: () => import('./validate.ts') },
];

interface CommandEntry {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Module beside this one that exports {@link CommandModule}. */
  readonly load: () => Promise<CommandModule>;
}

export interface CommandModule {
  /** Declares flags, arguments, subcommands and the action on an empty command that already has its name and summary. */
  define(command: Command): void;
}

/** Runs one command line and returns the exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  const program = new Command('isthmus')
    .description("A service mesh in one package: Istio's configuration, Envoy's protocol.")
    .showSuggestionAfterError()
    .exitOverride();
  for (const entry of commands) {
    const command = program.command(entry.name).summary(entry.summary).description(entry.summary);
    for (const alias of entry.aliases ?? []) command.alias(alias);
    if (argv.some((a) => a === entry.name || entry.aliases?.includes(a))) (await entry.load()).define(command);
  }
  try {
    await program.parseAsync(argv, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof UserError) {
      process.stderr.write(`Error: ${error.message}\n`);
      return error.exitCode;
    }
    process.stderr.write(
      `isthmus: unexpected error: ${messageOf(error)}\n${error instanceof Error ? error.stack : ''}\n`,
    );
    return 70;
  }
}
