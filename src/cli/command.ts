import { Command, type ErrorOptions, type HelpContext, type Option, type ParseOptionsResult } from 'commander';
import { UserError } from '../base/errors.ts';

/** What a command reads and writes, besides files and sockets. */
export interface Streams {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export interface CommandModule {
  /** Declares flags, arguments, subcommands and the action on an empty command that already has its name and summary. */
  define(command: Command, streams: Streams): void;
}

/** Exit code of a command line that cannot be read: EX_USAGE of sysexits.h, as istioctl has it. */
export const EXIT_USAGE = 64;

/** Ends a command that has said itself what is wrong, or whose exit code is its answer. */
export class Exit extends UserError {
  constructor(exitCode: number) {
    super('', { exitCode });
  }
}

/**
 * A command whose flags are read as those of Go programs are: `--flag=false`, `-o=json` and `-ojson` mean what they mean
 * to istioctl and kubectl. A command that only groups others prints its help, which is no error.
 */
export class GoCommand extends Command {
  /** Tells what cannot be read, for commands that follow another tool than istioctl; ends the command by throwing. */
  onUsageError: ((message: string) => never) | undefined = undefined;

  override createCommand(name?: string): GoCommand {
    return new GoCommand(name);
  }

  override parseOptions(argv: string[]): ParseOptionsResult {
    return super.parseOptions(rewriteGoFlags(argv, this.options));
  }

  override help(context?: HelpContext | ((text: string) => string)): never {
    if (typeof context === 'function') return super.help(context);
    return super.help();
  }

  /** What cannot be read is told in the words of istioctl, with its exit code. */
  override error(message: string, options?: ErrorOptions): never {
    const text = describeUsageError(message, options?.code ?? '', pathOf(this));
    if (this.onUsageError) this.onUsageError(text);
    throw new UserError(text, { exitCode: EXIT_USAGE });
  }
}

/** `isthmus proxy-config listener` */
export function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}

/** Ends a command whose arguments do not fit, with its usage before the error. */
export function failWithUsage(command: Command, streams: Streams, message: string): never {
  streams.stderr.write(`${command.helpInformation()}\n`);
  throw new UserError(message);
}

const TRUE = /^(?:1|t|T|true|TRUE|True)$/;
const FALSE = /^(?:0|f|F|false|FALSE|False)$/;

/** Puts flags that Go reads and commander does not into words that both do. */
function rewriteGoFlags(argv: readonly string[], options: readonly Option[]): string[] {
  const result: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i];
    if (argument === '--') return [...result, ...argv.slice(i)];
    const match = /^(--[^=]+|-[^-=])(?:=(.*))?$/s.exec(argument);
    const option = match && options.find((o) => o.long === match[1] || o.short === match[1]);
    if (!option) result.push(argument);
    else if (match[2] === undefined) {
      result.push(argument);
      // The value goes with its flag, even if it looks like one.
      if (option.required && i + 1 < argv.length) result.push(argv[++i]);
    } else if (option.required || option.optional) {
      if (option.optional) result.push(argument);
      else result.push(match[1], match[2]);
    } else result.push(...booleanFlag(option, match[2], options));
  }
  return result;
}

function booleanFlag(option: Option, value: string, options: readonly Option[]): string[] {
  const name = option.long ?? option.short!;
  if (TRUE.test(value)) return [name];
  if (!FALSE.test(value)) {
    const message = `invalid argument ${JSON.stringify(value)} for "${flagsOf(option.flags)}" flag: it must be true or false`;
    throw new UserError(message, { exitCode: EXIT_USAGE });
  }
  const negative = `--no-${name.replace(/^-+/, '')}`;
  return options.some((o) => o.long === negative) ? [negative] : [];
}

function describeUsageError(message: string, code: string, path: string): string {
  const [first, suggestion] = message.replace(/^error: /, '').split('\n(Did you mean ');
  const text = reword(first, code, path);
  if (suggestion === undefined) return code === 'commander.unknownCommand' ? `${text}\n${seeHelp(path)}` : text;
  const similar = suggestion.replace(/^one of /, '').replace(/\?\)$/, '');
  return `${text}\n\nDid you mean this?\n\t${similar.split(', ').join('\n\t')}\n\n${seeHelp(path)}`;
}

function seeHelp(path: string): string {
  return `Run '${path} --help' for usage.`;
}

function reword(message: string, code: string, path: string): string {
  const quoted = /'(.*?)'(?= |$)/s.exec(message)?.[1] ?? '';
  switch (code) {
    case 'commander.unknownOption':
      return quoted.startsWith('--')
        ? `unknown flag: ${quoted.split('=', 1)[0]}`
        : `unknown shorthand flag: '${quoted[1] ?? ''}' in ${quoted}`;
    case 'commander.unknownCommand':
      return `unknown command ${JSON.stringify(quoted)} for ${JSON.stringify(path)}`;
    case 'commander.optionMissingArgument':
      return `flag needs an argument: ${flagsOf(quoted)}`;
    case 'commander.invalidArgument': {
      const match = /^option '(.*?)' argument '(.*)' is invalid\. (.*)$/s.exec(message);
      return match
        ? `invalid argument ${JSON.stringify(match[2])} for "${flagsOf(match[1])}" flag: ${match[3]}`
        : message;
    }
    default:
      return message;
  }
}

/** `-f, --file <path>` without what stands for the value. */
function flagsOf(declaration: string): string {
  return declaration.replace(/ [<[].*$/, '');
}

/** Flags of istioctl that may stand before the command or before its subcommand, all with a value. */
export const GLOBAL_FLAGS: ReadonlySet<string> = new Set([
  '-n',
  '--namespace',
  '-o',
  '--output',
  '--proxy-admin-port',
  '-i',
  '--istioNamespace',
  '-c',
  '--kubeconfig',
  '--context',
  '--as',
  '--as-group',
  '--as-uid',
  '--kubeclient-timeout',
  '--mesh',
  '--vklog',
]);
