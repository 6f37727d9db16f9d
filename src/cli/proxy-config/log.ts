import type { Command } from 'commander';
import { UserError } from '../../base/errors.ts';
import { failWithUsage, type Streams } from '../command.ts';
import { askAdmin, warnOfClusterFlags } from '../mesh-client.ts';
import { addSourceFlags, adminsOf, PROXY_USAGE, type SourceFlags } from './source.ts';

interface Flags extends SourceFlags {
  readonly level?: string;
  readonly reset: boolean;
  readonly output: string;
}

const EXAMPLES = `
Examples:
  # The level of each logger of a proxy
  isthmus proxy-config log catalog-6f7d-x2x7k.shop

  # All loggers of every proxy of a workload to one level, then two of them to another
  isthmus proxy-config log deploy/catalog.shop --level info
  isthmus proxy-config log deploy/catalog.shop --level http:debug,rbac:debug

  # Back to the default
  isthmus proxy-config log deploy/catalog.shop --reset
`;

/** `isthmus proxy-config log`: shows and sets levels of loggers of running proxies. */
export function defineLog(group: Command, streams: Streams): void {
  const command = group.command('log [names...]').usage(PROXY_USAGE).alias('o');
  command
    .summary('Show and set log levels')
    .description('Show the levels of the loggers of a proxy, or of all of a workload, and set them.')
    .option('--level <levels>', `[LOGGER:]LEVEL,...; a level is one of ${LEVELS.join(', ')}`)
    .option('-r, --reset', `set all loggers to ${DEFAULT_LEVEL}`, false)
    .addOption(command.createOption('-o, --output <format>').default('short').hideHelp());
  addSourceFlags(command).addHelpText('after', EXAMPLES);
  command.action(async (names: string[], flags: Flags) => {
    if ((names.length === 0) === (flags.admin === undefined)) failWithUsage(command, streams, 'log requires pod name');
    if (flags.reset && flags.level) failWithUsage(command, streams, '--level cannot be combined with --reset');
    if (flags.output !== 'short') throw new UserError('--output is not applicable for this command');
    warnOfClusterFlags(command, streams);
    await setLevels(names[0], flags, streams);
  });
}

async function setLevels(name: string | undefined, flags: Flags, streams: Streams): Promise<void> {
  const admins = await adminsOf(name, flags);
  // Nothing is set anywhere before every proxy has answered and knows what is named.
  const before = await Promise.all(admins.map(({ admin }) => askAdmin(admin, 'logging', 'POST')));
  const changes = flags.reset ? [`level=${DEFAULT_LEVEL}`] : parseLevels(flags.level, before);
  for (const [i, { id, admin }] of admins.entries()) {
    let levels = before[i]!;
    for (const change of changes) levels = await askAdmin(admin, `logging?${change}`, 'POST');
    streams.stdout.write(`${id}:\n${levels}`);
  }
}

const LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'];
const DEFAULT_LEVEL = 'warning';

/** Query strings for the admin interface, in the order in which they are to be sent. Throws a UserError. */
export function parseLevels(text: string | undefined, answers: readonly string[]): string[] {
  if (!text) return [];
  let all: string | undefined;
  const single = new Map<string, string>();
  for (const item of text.split(',')) {
    // Loggers of extensions have names with colons in them.
    const at = Math.max(item.lastIndexOf(':'), item.lastIndexOf('='));
    const level = levelOf(item.slice(at + 1));
    const logger = at < 0 ? 'level' : item.slice(0, at);
    if (logger === 'level') {
      all = level;
      if (at < 0) single.clear();
      continue;
    }
    if (answers.some((answer) => !loggersOf(answer).has(logger)))
      throw new UserError(`unrecognized logger name: ${logger}`);
    single.set(logger, level);
  }
  const changes = [...single].map(([logger, level]) => `${encodeURIComponent(logger)}=${level}`);
  return all === undefined ? changes : [`level=${all}`, ...changes];
}

function levelOf(text: string): string {
  const level = text === 'warn' ? 'warning' : text;
  if (!LEVELS.includes(level)) throw new UserError(`unrecognized logging level: ${text}`);
  return level;
}

/** Names in what `/logging` answers: after a heading, a line `  NAME: LEVEL` for each. */
function loggersOf(answer: string): ReadonlySet<string> {
  const names = answer.split('\n').flatMap((line) => /^\s+(.*): \w+\s*$/.exec(line)?.[1] ?? []);
  return new Set(names);
}
