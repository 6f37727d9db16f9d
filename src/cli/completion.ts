import type { Command, Option } from 'commander';
import { runningMeshNames } from '../app/meshes.ts';
import { UserError } from '../base/errors.ts';
import { GLOBAL_FLAGS, type Streams } from './command.ts';
import { COMPLETION_SCRIPTS } from './completion-scripts.ts';
import { MeshClient } from './mesh-client.ts';

const EXAMPLES = `
Examples:
  # For this shell
  source <(isthmus completion bash)

  # For every one from now on
  isthmus completion bash > ~/.local/share/bash-completion/completions/isthmus
  isthmus completion zsh > "\${fpath[1]}/_isthmus"
  isthmus completion fish > ~/.config/fish/completions/isthmus.fish
`;

/** `isthmus completion SHELL`: a script by which the shell asks `isthmus __complete` what may come next. */
export function define(command: Command, streams: Streams): void {
  command
    .argument('<shell>', Object.keys(COMPLETION_SCRIPTS).join(', '))
    .description('Print a script that makes a shell complete commands, flags, and names of the mesh that runs.')
    .addHelpText('after', EXAMPLES)
    .action((shell: string) => {
      if (!Object.hasOwn(COMPLETION_SCRIPTS, shell))
        throw new UserError(
          `no completion for ${JSON.stringify(shell)}: use ${Object.keys(COMPLETION_SCRIPTS).join(', ')}`,
        );
      streams.stdout.write(COMPLETION_SCRIPTS[shell]!);
    });
}

/**
 * What may stand where the last of `words` stands, each in a line with a tab and what it is. The words before it are the
 * command line so far, without the program's name. `build` makes the tree of commands, whole for the one of a name.
 */
export async function complete(
  words: readonly string[],
  build: (name: string | undefined) => Promise<Command>,
): Promise<string> {
  const partial = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const program = await build(operandsOf(before)[0]);
  const { command, operands, flag } = walk(program, before);
  const equals = /^(--[^=]+)=(.*)$/s.exec(partial);
  if (equals !== null) {
    const option = command.options.find(({ long }) => long === equals[1]);
    return format(await valuesOf(option), equals[2]!, `${equals[1]}=`);
  }
  if (flag !== undefined) return format(await valuesOf(flag), partial);
  if (partial.startsWith('-')) return format(flagsOf(command), partial);
  const commands = operands.length === 0 ? subcommandsOf(command) : [];
  return format(commands.length > 0 ? commands : await argumentsOf(command, operands.length), partial);
}

interface Candidate {
  readonly word: string;
  readonly about: string;
}

function format(candidates: readonly Candidate[], partial: string, prefix = ''): string {
  return candidates
    .filter(({ word }) => word.startsWith(partial))
    .map(({ word, about }) => `${prefix}${word}\t${about.replace(/\s+/g, ' ')}\n`)
    .join('');
}

function operandsOf(words: readonly string[]): string[] {
  return words.filter((word, i) => !word.startsWith('-') && !GLOBAL_FLAGS.has(words[i - 1] ?? ''));
}

interface Place {
  /** The innermost command that the words name. */
  readonly command: Command;
  /** Words after it that are no flags. */
  readonly operands: readonly string[];
  /** The flag whose value comes next. */
  readonly flag: Option | undefined;
}

function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let operands: string[] = [];
  let flag: Option | undefined;
  let isFlagFree = false;
  for (const [i, word] of words.entries()) {
    const isValue = flag !== undefined || (!isFlagFree && GLOBAL_FLAGS.has(words[i - 1] ?? ''));
    flag = undefined;
    if (isValue) continue;
    if (word === '--') isFlagFree = true;
    else if (!isFlagFree && word.startsWith('-')) {
      const option = command.options.find(({ long, short }) => long === word || short === word);
      if (option?.required) flag = option;
      continue;
    }
    const next = operands.length === 0 ? childOf(command, word) : undefined;
    if (next === undefined) operands.push(word);
    else [command, operands] = [next, []];
  }
  return { command, operands, flag };
}

function childOf(command: Command, word: string): Command | undefined {
  return command.commands.find((child) => child.name() === word || child.aliases().includes(word));
}

function subcommandsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help' || command.parent === null)
    .map((child) => ({ word: child.name(), about: child.summary() || child.description() }));
}

function flagsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({ word: option.long ?? option.short!, about: option.description }));
}

async function valuesOf(option: Option | undefined): Promise<Candidate[]> {
  if (option === undefined) return [];
  if (option.long === '--mesh') return runningMeshNames(process.env).map((word) => ({ word, about: 'mesh' }));
  if (option.long === '--namespace') return namespaces();
  if (option.long === '--output') return outputsOf(option);
  return (option.argChoices ?? []).map((word) => ({ word, about: '' }));
}

/** The formats that the description lists, where they are not declared. */
function outputsOf({ argChoices, description }: Option): Candidate[] {
  const listed = argChoices ?? /: (.*)$/.exec(description)?.[1]?.split(/, | or /) ?? [];
  return listed.map((word) => ({ word, about: 'output format' }));
}

/** Commands whose arguments are proxies. */
const OF_PROXIES: ReadonlySet<string> = new Set(['proxy-config', 'proxy-status']);

async function argumentsOf(command: Command, index: number): Promise<Candidate[]> {
  const owner = command.parent?.parent ? command.parent : command;
  if (command.name() === 'help') return subcommandsOf(command.parent!);
  if (command.name() === 'completion') {
    return index === 0 ? Object.keys(COMPLETION_SCRIPTS).map((word) => ({ word, about: 'shell' })) : [];
  }
  if (!OF_PROXIES.has(owner.name()) || (index > 0 && command.name() !== 'rootca-compare')) return [];
  const proxies = await proxiesNow();
  const owners = new Set(
    proxies.flatMap(({ owner, namespace }) => {
      const [kind, name] = owner?.split('/') ?? [];
      return kind === undefined ? [] : [`${kind.toLowerCase()}/${name}.${namespace}`];
    }),
  );
  return [
    ...proxies.map(({ id, type }) => ({ word: id, about: type })),
    ...[...owners].map((word) => ({ word, about: 'all proxies of it' })),
  ];
}

async function namespaces(): Promise<Candidate[]> {
  const names = new Set((await proxiesNow()).map(({ namespace }) => namespace));
  return [...names].sort().map((word) => ({ word, about: 'namespace' }));
}

/** None where no mesh runs, or several do: a shell that completes has nobody to tell errors to. */
async function proxiesNow(): ReturnType<MeshClient['proxies']> {
  try {
    return await (await MeshClient.connect(process.env, undefined)).proxies();
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}
