import type { Command } from 'commander';
import { UserError } from '../base/errors.ts';
import type { ConvergenceState } from '../config/control/api.ts';
import type { ControlClient } from '../config/control/client.ts';
import { matchesLabelSelector } from '../config/labels.ts';
import { formatMessage } from '../config/message.ts';
import { objectKey } from '../config/object.ts';
import type { RemoveResult } from '../config/store/store.ts';
import { Exit, type Streams } from './command.ts';
import { describeConvergence } from './kubectl/convergence.ts';
import { failAsKubectl, notFound, printError, speakKubectl } from './kubectl/errors.ts';
import { addMeshFlag, connect, dryRunFlag, dryRunNote, type MeshFlags, timeoutOption } from './kubectl/flags.ts';
import { parseLabelSelector } from './kubectl/label-selector.ts';
import { parseOutputFormat } from './kubectl/object-output.ts';
import { fetchResources } from './kubectl/objects.ts';
import { parseResourceArguments, singularName, type Wanted } from './kubectl/resource-type.ts';
import { addFilenames, readSources } from './kubectl/sources.ts';
import { wantedOf } from './kubectl/wanted-of-sources.ts';

interface Flags extends MeshFlags {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly all?: boolean;
  readonly selector?: string;
  readonly ignoreNotFound?: boolean;
  readonly dryRun?: string | boolean;
  readonly output?: string;
  readonly wait?: boolean;
  readonly timeout: number;
}

/** An object that is to go. */
interface Doomed extends Wanted {
  readonly name: string;
  readonly key: string;
  readonly namespace: string;
  /** The file that names it. */
  readonly source?: string;
}

const EXAMPLES = `
Files of the mesh's folder stay as they are: what they hold is deleted until its file is changed, or the mesh is
started again. A pod of a Deployment is ended, and another one starts in its place.

Examples:
  isthmus delete vs reviews
  isthmus delete vs/reviews dr/reviews --ignore-not-found
  isthmus delete -f reviews.yaml --wait
  isthmus delete destinationrules --all -n bookinfo
  isthmus delete pod catalog-5b8f9cd6d7-x2x7k
`;

/** `isthmus delete`: `kubectl delete` on the configuration of a local mesh. */
export function define(command: Command, streams: Streams): void {
  failAsKubectl(command, streams);
  command
    .argument('[kind]', 'kind, or KIND/NAME')
    .argument('[names...]', 'names, or further KIND/NAME')
    .option(
      '-f, --filename <names>',
      'the objects that stand in files or directories; - is the standard input',
      addFilenames,
    )
    .option('-R, --recursive', 'look below the directories of -f as well')
    .option('-n, --namespace <name>', 'namespace (default: "default")')
    .option('-A, --all-namespaces', 'in all namespaces, with --all or -l')
    .option('--all', 'all objects of the kind')
    .option('-l, --selector <labels>', 'objects with these labels')
    .option('--ignore-not-found', 'an object that is not there is no error')
    .option('--dry-run [strategy]', 'none, client or server: say what would go, and change nothing')
    .option('-o, --output <format>', 'name')
    .option('--wait', 'until every proxy that the change concerns has it')
    .addOption(timeoutOption('how long --wait waits', '30s'))
    .addHelpText('after', EXAMPLES);
  addMeshFlag(command).action((kind: string | undefined, names: string[], flags: Flags) =>
    speakKubectl(streams, () => remove(kind === undefined ? [] : [kind, ...names], flags, streams)),
  );
}

async function remove(args: readonly string[], flags: Flags, streams: Streams): Promise<void> {
  const format = parseOutputFormat(flags.output, ['name']);
  const dryRun = dryRunFlag(flags.dryRun);
  const { client } = await connect(flags);
  const doomed = flags.filename ? await ofFiles(flags, streams) : await ofArguments(client, args, flags);
  if (doomed.length === 0) {
    streams.stdout.write('No resources found\n');
    return;
  }
  const { results, convergence } = await removeObjects(client, doomed, dryRun !== 'none', flags);
  const errors: UserError[] = [];
  doomed.forEach((one, i) => {
    const { outcome, errors: reasons } = results[i]!;
    const { definition, name, namespace, source } = one;
    const context = source === undefined ? '' : `error when deleting ${JSON.stringify(source)}: `;
    if (outcome === 'not found') {
      if (!flags.ignoreNotFound) errors.push(notFound(definition, name, context));
    } else if (outcome === 'error') {
      errors.push(...reasons.map((reason) => new UserError(formatMessage(reason))));
    } else if (format.type === 'name') streams.stdout.write(`${singularName(definition)}/${name}\n`);
    else {
      const where = definition.namespaced ? ` from ${namespace} namespace` : '';
      const object = `${singularName(definition)} ${JSON.stringify(name)}`;
      streams.stdout.write(`${object} deleted${where}${dryRunNote(dryRun)}\n`);
    }
  });
  for (const error of errors) printError(streams, error);
  const late = convergence !== undefined && !convergence.converged;
  if (convergence !== undefined && (late || format.type === 'table')) {
    const [first = '', ...rest] = describeConvergence(convergence);
    const text = [first, ...rest.map((line) => `  ${line}`)].join('\n');
    (late ? streams.stderr : streams.stdout).write(`${late ? 'error: ' : ''}${text}\n`);
  }
  if (errors.length > 0 || late) throw new Exit(1);
}

async function ofFiles(flags: Flags, streams: Streams): Promise<Doomed[]> {
  const { filename = [], recursive = false, namespace } = flags;
  return wantedOf(await readSources(filename, { recursive, stdin: streams.stdin }), namespace);
}

async function ofArguments(client: ControlClient, args: readonly string[], flags: Flags): Promise<Doomed[]> {
  const asked = parseResourceArguments(args);
  if (asked === undefined)
    throw new UserError('say what to delete, such as "isthmus delete virtualservice reviews" or -f reviews.yaml');
  const selector = flags.selector === undefined ? undefined : parseLabelSelector(flags.selector);
  const named = asked.wanted.filter(({ name }) => name !== undefined);
  if (named.length === 0 && selector === undefined && !flags.all)
    throw new UserError('resource(s) were provided, but no name was specified');
  if (named.length > 0 && (selector !== undefined || flags.all))
    throw new UserError('name cannot be provided when --all or a selector is specified');
  const namespace = flags.allNamespaces && named.length === 0 ? undefined : (flags.namespace ?? 'default');
  const doomed: Doomed[] = [];
  for (const { definition, apiVersion, name } of asked.wanted) {
    if (name !== undefined) {
      const own = definition.namespaced ? namespace! : '';
      doomed.push({ definition, apiVersion, name, namespace: own, key: objectKey(definition.id, own, name) });
      continue;
    }
    const all = await fetchResources(client, { definition, apiVersion, namespace, name });
    const found = all.filter(({ labels }) => selector === undefined || matchesLabelSelector(selector, labels));
    doomed.push(...found.map((r) => ({ definition, apiVersion, name: r.name, namespace: r.namespace, key: r.key })));
  }
  return doomed;
}

/** Removes objects, and ends pods that something else wants, which start anew. */
async function removeObjects(
  client: ControlClient,
  doomed: readonly Doomed[],
  dryRun: boolean,
  { wait, timeout }: Flags,
): Promise<{ results: RemoveResult[]; convergence: ConvergenceState | undefined }> {
  const pods = doomed.some(({ definition }) => definition.id === 'Pod') ? (await client.status()).pods : [];
  const owned = new Set(pods.filter((p) => p.owner !== undefined).map((p) => objectKey('Pod', p.namespace, p.name)));
  for (const { key, namespace, name } of doomed) {
    if (owned.has(key) && !dryRun) await client.restart({ namespace, pod: name });
  }
  const keys = doomed.map(({ key }) => key).filter((key) => !owned.has(key));
  if (keys.length === 0) return { results: doomed.map(deleted), convergence: undefined };
  const response = await client.delete({ keys, dryRun, ...(wait && !dryRun ? { waitMs: timeout } : {}) });
  const byKey = new Map(keys.map((key, i) => [key, response.results[i]!]));
  return { results: doomed.map((one) => byKey.get(one.key) ?? deleted(one)), convergence: response.convergence };
}

function deleted({ key }: Doomed): RemoveResult {
  return { key, outcome: 'deleted', errors: [] };
}
