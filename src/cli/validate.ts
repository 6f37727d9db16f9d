import { readFile, stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import { messageOf, UserError } from '../base/errors.ts';
import { type CheckedFile, type CheckedSource, checkSources, describeCheck } from '../config/check.ts';
import type { ConfigMessage } from '../config/message.ts';
import { listDirectory } from '../config/store/files.ts';

interface Flags {
  readonly filename?: readonly string[];
  readonly namespace?: string;
  readonly output?: 'json';
}

const EXAMPLES = `
Examples:
  # One file, several, or every .yaml, .yml and .json file below a directory
  isthmus validate -f bookinfo-gateway.yaml
  isthmus validate -f a.yaml,b.yaml
  isthmus validate -f samples/bookinfo/networking

  # What a cluster has
  kubectl get deployments,services -o yaml | isthmus validate -f -

See also "isthmus analyze", which looks at how objects fit together.
`;

/** `isthmus validate`: the flags and the output of `istioctl validate`, with the place of everything that is wrong. */
export function define(command: Command): void {
  command
    .option('-f, --filename <names>', 'files or directories to check; - is the standard input', split, [])
    .option('-n, --namespace <name>', 'namespace of objects that name none')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['json']))
    .addHelpText('after', EXAMPLES);
  // Flags of istioctl that are about a cluster, which nothing here asks.
  for (const flags of [
    '-x, --referential',
    '-i, --istioNamespace <name>',
    '--as <user>',
    '--as-group <group>',
    '--as-uid <uid>',
    '--context <name>',
    '--kubeclient-timeout <duration>',
    '--vklog <level>',
  ]) {
    command.addOption(new Option(flags).hideHelp());
  }
  command.action(validate);
}

function split(value: string, earlier: readonly string[]): string[] {
  return [...earlier, ...value.split(',').filter((name) => name !== '')];
}

async function validate(flags: Flags): Promise<void> {
  const names = flags.filename ?? [];
  if (names.length === 0)
    throw new UserError('say what to check with --filename, such as -f rsrc.yaml or -f directory');
  const sources = (await Promise.all(names.map(sourcesOf))).flat();
  const files = checkSources(sources, flags.namespace === undefined ? {} : { defaultNamespace: flags.namespace });
  if (flags.output === 'json') process.stdout.write(`${JSON.stringify(toJson(files), null, 2)}\n`);
  else process.stderr.write(describeCheck(files));
  if (files.some((file) => file.errors.length > 0)) process.exitCode = 1;
}

async function sourcesOf(name: string): Promise<CheckedSource[]> {
  try {
    if (name === '-') return [{ name, text: await text(process.stdin) }];
    if (!(await stat(name)).isDirectory()) return [{ name, text: await readFile(name, 'utf8') }];
    const { files } = await listDirectory(name);
    return await Promise.all(
      [...files.keys()].map(async (path) => ({ name: path, text: await readFile(path, 'utf8') })),
    );
  } catch (error) {
    throw new UserError(`cannot read ${JSON.stringify(name)}: ${messageOf(error)}`, { cause: error });
  }
}

/** One entry for each message, in the order of the text output. */
function toJson(files: readonly CheckedFile[]): object[] {
  const entry = (level: string) => (message: ConfigMessage) => ({
    level,
    message: message.message,
    file: message.at.file,
    ...(message.at.line === undefined ? {} : { line: message.at.line, column: message.at.column }),
    ...(message.key === undefined ? {} : { object: message.key }),
    ...(message.field === undefined ? {} : { field: message.field }),
  });
  return files.flatMap((file) => [...file.errors.map(entry('error')), ...file.warnings.map(entry('warning'))]);
}
