import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type AnalysisOptions, analyze, type Suppression } from '../analysis/analyze.ts';
import type { Analyzer } from '../analysis/analyzer.ts';
import { ANALYZERS } from '../analysis/analyzers/index.ts';
import { levelRank } from '../analysis/message.ts';
import { LEVELS, type Level, MESSAGE_TYPES } from '../analysis/message-types.ts';
import { readSources, type Source } from '../analysis/source.ts';
import { messageOf, UserError } from '../base/errors.ts';
import { ISTIO_VERSION } from '../base/version.ts';
import { formatMessage as formatConfigMessage } from '../config/message.ts';
import { listDirectory } from '../config/store/files.ts';
import { readRunningMesh } from './analyze-mesh.ts';
import { formatMessages, type OutputFormat } from './analyze-output.ts';
import { EXIT_USAGE, type Streams } from './command.ts';
import { addMeshFlag, timeoutOption } from './kubectl/flags.ts';

interface Flags {
  readonly allNamespaces?: boolean;
  readonly analyzer: readonly string[];
  readonly color?: boolean;
  readonly failureThreshold: Level;
  readonly filename: readonly string[];
  readonly ignoreUnknown?: boolean;
  readonly listAnalyzers?: boolean;
  readonly mesh?: string;
  readonly meshConfigFile?: string;
  readonly namespace?: string;
  readonly output: string;
  readonly outputThreshold: Level;
  readonly suppress: readonly string[];
  readonly useKube: boolean;
  readonly verbose?: boolean;
}

/** Exit codes of istioctl for what analyzers found, and for files that cannot be read. */
const EXIT_FOUND = 79;
const EXIT_UNREADABLE = 65;

const EXTENSIONS = ['.json', '.yaml', '.yml'];

const EXAMPLES = `
Without --use-kube=false the running mesh is analyzed, and what it would become with the files.

Examples:
  # The running mesh
  isthmus analyze

  # The running mesh as it would be with more files
  isthmus analyze a.yaml b.yaml my-app-config/

  # Files alone
  isthmus analyze --use-kube=false a.yaml b.yaml my-app-config/

  # Without a message on one pod, and without another on every deployment of a namespace
  isthmus analyze -S "IST0103=Pod testing/mypod" -S "IST0107=Deployment default/*"

  # What can be found
  isthmus analyze -L
`;

/** `isthmus analyze`: the flags, the output and the exit codes of `istioctl analyze`. */
export function define(command: Command, streams: Streams): void {
  const collect = (value: string, earlier: readonly string[]) => [...earlier, value];
  command
    .argument('[files...]', 'files and directories; - is the standard input')
    .option('-A, --all-namespaces', 'analyze all namespaces')
    .option('--analyzer <name>', 'run this analyzer alone; can be repeated', collect, [])
    .option('--color', 'color levels (default: on a terminal)')
    .addOption(new Option('--no-color').hideHelp())
    .addOption(levelOption('--failure-threshold <level>', 'level from which the exit code is not 0', 'Error'))
    .option('-f, --filename <names>', 'further files and directories', collect, [])
    .option('--ignore-unknown', 'do not fail because of what cannot be read')
    .option('-L, --list-analyzers', 'list the analyzers')
    .option('--meshConfigFile <file>', 'mesh configuration to go by')
    .option('-n, --namespace <name>', 'namespace to analyze, and of objects that name none (default: "default")')
    .option('-o, --output <format>', 'log, json or yaml', 'log')
    .addOption(levelOption('--output-threshold <level>', 'level from which messages are shown', 'Info'))
    .option('-S, --suppress <code=resource>', 'leave out a message on resources; can be repeated', collect, [])
    .option('-k, --use-kube', 'analyze the running mesh as well', true)
    .addOption(new Option('--no-use-kube').hideHelp())
    .option('-v, --verbose', 'tell which analyzers ran')
    .addHelpText('after', EXAMPLES);
  addMeshFlag(command);
  command.addOption(timeoutOption('how long to wait for the mesh', '30s').hideHelp());
  // Flags of istioctl that are about a cluster, or always on.
  for (const flags of [
    '-R, --recursive',
    '-r, --revision <name>',
    '--remote-contexts <name>',
    '-i, --istioNamespace <name>',
    '-c, --kubeconfig <file>',
    '--context <name>',
    '--as <user>',
    '--as-group <group>',
    '--as-uid <uid>',
    '--kubeclient-timeout <duration>',
    '--vklog <level>',
  ]) {
    command.addOption(new Option(flags).hideHelp());
  }
  command.action((files: string[], flags: Flags) => run(files, flags, streams));
}

function levelOption(flags: string, description: string, standard: Level): Option {
  return new Option(flags, `${description}: ${LEVELS.join(', ')}`).default(standard).argParser((value) => {
    const level = LEVELS.find((known) => known.toLowerCase() === value.toLowerCase());
    if (level === undefined) throw new InvalidArgumentError('invalid level option');
    return level;
  });
}

async function run(files: readonly string[], flags: Flags, streams: Streams): Promise<void> {
  const { stdout, stderr } = streams;
  const format = flags.output.toLowerCase();
  if (format !== 'log' && format !== 'json' && format !== 'yaml') {
    const message = `${flags.output} not a valid option for format. See isthmus analyze --help`;
    throw new UserError(message, { exitCode: EXIT_USAGE });
  }
  if (flags.listAnalyzers) {
    stdout.write(describeAnalyzers());
    return;
  }
  const suppressions = flags.suppress.map((value) => parseSuppression(value, streams));
  const sources = await gatherSources([...files, ...flags.filename.flatMap((names) => names.split(','))], streams);
  const namespace = flags.allNamespaces ? '' : flags.namespace || 'default';
  const reading = readSources(sources, namespace);
  const analyzers = selectAnalyzers(flags.analyzer, streams);
  const common: AnalysisOptions = {
    ...(namespace === '' ? {} : { namespace }),
    ...(flags.meshConfigFile === undefined ? {} : { meshConfig: await readMeshConfigFile(flags.meshConfigFile) }),
    suppressions,
    analyzers,
  };
  const mesh = flags.useKube ? await readRunningMesh(flags, analyzers) : undefined;
  const problems = [...(mesh?.problems ?? []), ...reading.problems.flatMap((problem) => problem.problems)];
  if (problems.length > 0) stderr.write(describeProblems(problems.map(formatConfigMessage)));
  const messages = analyze(reading.resources, { ...common, ...mesh?.options });
  const target = flags.allNamespaces ? 'all namespaces' : `namespace: ${namespace}`;
  if (flags.verbose) stderr.write(describeRun(target, mesh?.options.analyzers ?? analyzers));
  const shown = messages.filter(({ level }) => levelRank(level) >= levelRank(flags.outputThreshold));
  stdout.write(`${formatMessages(shown, format as OutputFormat, useColor(flags, streams))}\n`);
  if (shown.length === 0) {
    const what = sources.length === 0 ? target : sources.map(({ name }) => name).join('\n');
    const broken = new Set(problems.map(({ at }) => at.file)).size;
    const but = ` (but ${broken} ${broken === 1 ? 'file' : 'files'} could not be parsed)`;
    stderr.write(
      broken === 0
        ? `\u2714 No validation issues found when analyzing ${what}.\n`
        : `No validation issues found when analyzing ${target}${but}.\n`,
    );
  }
  // Whoever reads JSON reads the messages, not the exit code: so it is with istioctl.
  if (format !== 'log') return;
  if (messages.some(({ level }) => levelRank(level) >= levelRank(flags.failureThreshold))) {
    throw new UserError(
      `Analyzers found issues when analyzing ${target}.\nSee ${documentationUrl()} for more information about causes and resolutions.`,
      { exitCode: EXIT_FOUND },
    );
  }
  if (problems.length > 0 && !flags.ignoreUnknown)
    throw new UserError("Some files couldn't be parsed.", { exitCode: EXIT_UNREADABLE });
}

function documentationUrl(): string {
  const [major, minor] = ISTIO_VERSION.split('.');
  return `https://istio.io/v${major}.${minor}/docs/reference/config/analysis`;
}

function useColor({ color }: Flags, { stdout }: Streams): boolean {
  return color ?? (stdout.isTTY === true && process.env.TERM?.toLowerCase() !== 'dumb');
}

function describeAnalyzers(): string {
  const sorted = [...ANALYZERS].sort((a, b) => (a.name < b.name ? -1 : 1));
  return sorted.map(({ name, description }) => `* ${name}:\n    ${description}\n`).join('');
}

function describeProblems(lines: readonly string[]): string {
  const count = `${lines.length} ${lines.length === 1 ? 'error' : 'errors'} occurred`;
  return `Error(s) adding files: ${count}:\n${lines.map((line) => `\t* ${line}\n`).join('')}\n`;
}

function describeRun(target: string, analyzers: readonly Analyzer[]): string {
  const names = (list: readonly Analyzer[]) => list.map(({ name }) => `\t ${name}\n`).join('');
  const skipped = ANALYZERS.filter((analyzer) => !analyzers.includes(analyzer));
  return `Analyzed resources in ${target}\n${skipped.length === 0 ? '' : `Skipped analyzers:\n${names(skipped)}`}Executed analyzers:\n${names(analyzers)}\n`;
}

function selectAnalyzers(names: readonly string[], { stderr }: Streams): readonly Analyzer[] {
  for (const name of names) {
    if (!ANALYZERS.some((analyzer) => analyzer.name === name))
      stderr.write(`Warning: there is no analyzer ${JSON.stringify(name)}; isthmus analyze -L lists them.\n`);
  }
  const selected = ANALYZERS.filter(({ name }) => names.includes(name));
  return selected.length === 0 ? ANALYZERS : selected;
}

function parseSuppression(value: string, { stderr }: Streams): Suppression {
  const [code, resource, ...more] = value.split('=');
  if (code === undefined || resource === undefined || more.length > 0)
    throw new UserError(`${value} is not a valid suppression value. See isthmus analyze --help`);
  if (!Object.hasOwn(MESSAGE_TYPES, code)) {
    stderr.write(`Warning: Supplied message code '${code}' is an unknown message code and will not have any effect.\n`);
  }
  return { code, resource };
}

async function gatherSources(names: readonly string[], { stdin, stderr }: Streams): Promise<Source[]> {
  const sources: Source[] = [];
  const skip = (name: string) =>
    stderr.write(`Skipping file ${name}, recognized file extensions are: [${EXTENSIONS.join(' ')}]\n`);
  for (const name of names) {
    try {
      if (name === '-') sources.push({ name, text: await text(stdin) });
      else if ((await stat(name)).isDirectory()) {
        for (const path of [...(await listDirectory(name)).files.keys()].sort())
          sources.push({ name: path, text: await readFile(path, 'utf8') });
      } else if (!EXTENSIONS.includes(extname(name))) skip(name);
      else sources.push({ name, text: await readFile(name, 'utf8') });
    } catch (error) {
      throw new UserError(`cannot read ${JSON.stringify(name)}: ${messageOf(error)}`, { cause: error });
    }
  }
  return sources;
}

async function readMeshConfigFile(file: string): Promise<{ text: string; file: string }> {
  try {
    return { text: await readFile(file, 'utf8'), file };
  } catch (error) {
    throw new UserError(`cannot read the mesh configuration: ${messageOf(error)}`, { cause: error });
  }
}
