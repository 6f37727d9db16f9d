import type { Command } from 'commander';
import { UserError } from '../base/errors.ts';
import type { ApplyResponse, ObjectState, SourceText } from '../config/control/api.ts';
import type { ControlClient } from '../config/control/client.ts';
import { formatMessage } from '../config/message.ts';
import { type ReadEntry, readObjects } from '../config/read.ts';
import type { ApplyResult } from '../config/store/store.ts';
import { Exit, type Streams } from './command.ts';
import { describeConvergence } from './kubectl/convergence.ts';
import { failAsKubectl, printError, speakKubectl } from './kubectl/errors.ts';
import { tellFindings } from './kubectl/findings.ts';
import {
  addMeshFlag,
  connect,
  type DryRun,
  dryRunFlag,
  dryRunNote,
  type MeshFlags,
  timeoutOption,
} from './kubectl/flags.ts';
import { formatObjects, parseOutputFormat } from './kubectl/object-output.ts';
import { type Resource, resourceOf } from './kubectl/objects.ts';
import { objectName } from './kubectl/resource-type.ts';
import { addFilenames, readSources } from './kubectl/sources.ts';
import { checkNamespace } from './kubectl/wanted-of-sources.ts';

interface Flags extends MeshFlags {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly namespace?: string;
  readonly dryRun?: string | boolean;
  readonly output?: string;
  readonly wait?: boolean;
  readonly timeout: number;
}

const EXAMPLES = `
What is applied holds until the mesh ends, or until the object's file in the mesh's folder is changed: files stay as
they are. Each object is taken over for itself: one that is refused changes nothing, and the exit code is then 1. With --wait
the command ends when every proxy that the change concerns has acknowledged it, or names those that have not.

Examples:
  isthmus apply -f reviews.yaml
  isthmus apply -f networking/ -R --wait
  kubectl get vs,dr -A -o yaml | isthmus apply -f -
  isthmus apply -f reviews.yaml --dry-run=server
`;

/** `isthmus apply`: `kubectl apply` on the configuration of a local mesh. */
export function define(command: Command, streams: Streams): void {
  failAsKubectl(command, streams);
  command
    .option('-f, --filename <names>', 'files or directories with objects; - is the standard input', addFilenames)
    .option('-R, --recursive', 'look below the directories of -f as well')
    .option('-n, --namespace <name>', 'namespace of objects that name none (default: "default")')
    .option('--dry-run [strategy]', 'none, client or server: check, and change nothing')
    .option('-o, --output <format>', 'json, yaml, name or jsonpath=TEMPLATE')
    .option('--wait', 'until every proxy that the change concerns has it')
    .addOption(timeoutOption('how long --wait waits', '30s'))
    .addHelpText('after', EXAMPLES);
  addMeshFlag(command).action((flags: Flags) => speakKubectl(streams, () => apply(flags, streams)));
}

async function apply(flags: Flags, streams: Streams): Promise<void> {
  if (!flags.filename) throw new UserError('say what to apply with -f, such as -f reviews.yaml or -f directory');
  const format = parseOutputFormat(flags.output, ['json', 'jsonpath', 'name', 'yaml']);
  const dryRun = dryRunFlag(flags.dryRun);
  const { recursive = false, namespace } = flags;
  const sources = await readSources(flags.filename, { recursive, stdin: streams.stdin });
  const entries = readEntries(sources, namespace);
  for (const entry of entries) checkNamespace(entry, namespace);
  const { client } = await connect(flags);
  const response = await client.apply({
    sources,
    ...(namespace === undefined ? {} : { namespace }),
    dryRun: dryRun !== 'none',
    ...(flags.wait && dryRun === 'none' ? { waitMs: flags.timeout } : {}),
  });
  const done = response.results.filter((r) => r.key !== undefined && r.outcome !== 'error' && r.outcome !== 'unused');
  if (format.type === 'table') {
    for (const { key, outcome } of done) streams.stdout.write(`${objectName(key!)} ${outcome}${dryRunNote(dryRun)}\n`);
  } else {
    const resources = await resourcesOf(client, done, entries, dryRun);
    streams.stdout.write(formatObjects(resources, format, { single: resources.length === 1 }));
  }
  if (format.type === 'table' && dryRun === 'none') {
    await tellFindings(
      client,
      done.map(({ key }) => key!),
      streams,
    );
  }
  finish(response, format.type === 'table', streams);
}

/** Says what else there is to say, and fails if something was refused or has not arrived. */
function finish({ results, problems, convergence }: ApplyResponse, chatty: boolean, streams: Streams): void {
  for (const warning of results.flatMap((r) => r.warnings))
    streams.stderr.write(`Warning: ${formatMessage(warning)}\n`);
  const errors = [...problems, ...results.flatMap((r) => r.errors)];
  for (const error of errors) printError(streams, new UserError(formatMessage(error)));
  if (results.length === 0 && problems.length === 0) throw new UserError('no objects passed to apply');
  const late = convergence !== undefined && !convergence.converged;
  if (convergence !== undefined && (chatty || late)) {
    const [first = '', ...rest] = describeConvergence(convergence);
    const lines = [late ? `error: ${first}` : first, ...rest.map((line) => `  ${line}`)];
    (late ? streams.stderr : streams.stdout).write(`${lines.join('\n')}\n`);
  }
  if (errors.length > 0 || late) throw new Exit(1);
}

function readEntries(sources: readonly SourceText[], namespace: string | undefined): ReadEntry[] {
  return sources.flatMap(
    ({ name, text }) => readObjects(text, name, namespace === undefined ? {} : { defaultNamespace: namespace }).entries,
  );
}

/** The objects as they are in force now; of a dry run, as they were written. */
async function resourcesOf(
  client: ControlClient,
  done: readonly ApplyResult[],
  entries: readonly ReadEntry[],
  dryRun: DryRun,
): Promise<Resource[]> {
  const wanted = new Map(
    entries.flatMap(({ key, object }) => (key !== undefined && object !== undefined ? [[key, object] as const] : [])),
  );
  const inForce = dryRun === 'none' ? (await client.objects({})).objects : [];
  const states = new Map(inForce.map((state) => [state.key, state]));
  return done.flatMap(({ key }) => {
    const object = wanted.get(key!);
    if (object === undefined) return [];
    const { apiVersion, raw, metadata } = object;
    const written: ObjectState = {
      key: key!,
      kind: key!.slice(0, key!.indexOf('/')),
      raw,
      creationTimestamp: metadata.creationTimestamp || Date.now(),
      generation: 1,
      at: object.locate([]),
    };
    return resourceOf(states.get(key!) ?? written, apiVersion, undefined) ?? [];
  });
}
