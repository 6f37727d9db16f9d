import type { Command } from 'commander';
import { UserError } from '../base/errors.ts';
import type { ControlClient } from '../config/control/client.ts';
import type { LabelSelector } from '../config/kinds/shared/selector.ts';
import { matchesLabelSelector } from '../config/labels.ts';
import { Exit, type Streams } from './command.ts';
import { failAsKubectl, notFound, printError, speakKubectl } from './kubectl/errors.ts';
import { tellFindings } from './kubectl/findings.ts';
import { addMeshFlag, connect, type MeshFlags } from './kubectl/flags.ts';
import { parseLabelSelector } from './kubectl/label-selector.ts';
import { formatObjects, type OutputFormat, parseOutputFormat, sortedBy } from './kubectl/object-output.ts';
import { formatResources } from './kubectl/object-table.ts';
import { fetchResources, type Resource } from './kubectl/objects.ts';
import { rejectionsOf } from './kubectl/rejections.ts';
import { parseResourceArguments, type Wanted, type WantedResources } from './kubectl/resource-type.ts';
import { addFilenames, readSources } from './kubectl/sources.ts';
import { wantedOf } from './kubectl/wanted-of-sources.ts';
import { watchResources } from './kubectl/watch.ts';

interface Flags extends MeshFlags {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly output?: string;
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly headers: boolean;
  readonly showLabels?: boolean;
  readonly labelColumns?: readonly string[];
  readonly ignoreNotFound?: boolean;
  readonly sortBy?: string;
  readonly watch?: boolean;
  readonly watchOnly?: boolean;
}

const EXAMPLES = `
KIND is a name such as virtualservice, vs or virtualservices.networking.istio.io, several with commas between them,
or all, or istio-io. What is shown is in force; what was written and refused is told as a warning.

Examples:
  isthmus get vs
  isthmus get pods -A -o wide
  isthmus get vs,dr,gw -l app=reviews
  isthmus get vs/reviews -o yaml
  isthmus get svc -o jsonpath='{range .items[*]}{.metadata.name}{"\\n"}{end}'
  isthmus get pods -w
`;

/** Kinds that show what runs, with nothing in them that analysis looks at. */
const RUNNING_KINDS: ReadonlySet<string> = new Set(['Pod', 'ReplicaSet', 'Job']);

/** `isthmus get`: `kubectl get` of the objects that are in force in a local mesh. */
export function define(command: Command, streams: Streams): void {
  failAsKubectl(command, streams);
  command
    .argument('[kind]', 'kind, or KIND/NAME')
    .argument('[names...]', 'names, or further KIND/NAME')
    .option('-n, --namespace <name>', 'namespace (default: "default")')
    .option('-A, --all-namespaces', 'in all namespaces')
    .option('-l, --selector <labels>', 'only objects with these labels, such as app=web,tier!=back')
    .option('-o, --output <format>', 'json, yaml, name, wide, jsonpath=TEMPLATE or custom-columns=HEADER:.PATH,...')
    .option('-f, --filename <names>', 'the objects that stand in files or directories', addFilenames)
    .option('-R, --recursive', 'look below the directories of -f as well')
    .option('--no-headers', 'without the line of headers')
    .option('--show-labels', 'labels as the last column')
    .option('-L, --label-columns <labels>', 'a column for each of these labels', addFilenames)
    .option('--ignore-not-found', 'say nothing of objects that are not there')
    .option('--sort-by <path>', 'order by a field, such as .metadata.name')
    .option('-w, --watch', 'go on with every change')
    .option('--watch-only', 'only changes from now on')
    .addHelpText('after', EXAMPLES);
  addMeshFlag(command).action((kind: string | undefined, names: string[], flags: Flags) =>
    speakKubectl(streams, () => get(kind === undefined ? [] : [kind, ...names], flags, streams)),
  );
}

async function get(args: readonly string[], flags: Flags, streams: Streams): Promise<void> {
  const format = parseOutputFormat(flags.output);
  const selector = flags.selector === undefined ? undefined : parseLabelSelector(flags.selector);
  const { wanted, severalTypes } = await whatIsWanted(args, flags, streams);
  if (flags.allNamespaces && wanted.some(({ name }) => name !== undefined) && !flags.filename)
    throw new UserError('a resource cannot be retrieved by name across all namespaces');
  if (selector && wanted.some(({ name }) => name !== undefined))
    throw new UserError('name cannot be provided when a selector is specified');
  const { client } = await connect(flags);
  if (flags.watch || flags.watchOnly) {
    await watchResources(client, wanted, {
      namespace: namespaceOf(flags),
      matches: (resource) => matches(selector, resource),
      onlyChanges: flags.watchOnly === true,
      print: (resources, first) =>
        streams.stdout.write(render(resources, { ...flags, headers: flags.headers && first }, format, severalTypes)),
    });
    return;
  }
  const { resources, missing } = await fetchAll(client, wanted, flags, selector);
  const sorted = flags.sortBy === undefined ? resources : sortedBy(resources, flags.sortBy);
  const named = wanted.length === 1 && wanted[0]!.name !== undefined;
  if (sorted.length > 0 || (format.type !== 'table' && !wanted.every(({ name }) => name !== undefined)))
    streams.stdout.write(render(sorted, flags, format, severalTypes, named));
  else if (missing.length === 0 && format.type === 'table' && !flags.ignoreNotFound)
    streams.stderr.write(`${nothingFound(wanted, flags)}\n`);
  for (const { definition, name } of missing) printError(streams, notFound(definition, name!));
  await warn(client, wanted, flags, streams, format);
  const keys = sorted.filter(({ definition }) => !RUNNING_KINDS.has(definition.id)).map(({ key }) => key);
  if (format.type === 'table') await tellFindings(client, keys, streams);
  if (missing.length > 0) throw new Exit(1);
}

async function whatIsWanted(args: readonly string[], flags: Flags, streams: Streams): Promise<WantedResources> {
  if (flags.filename) {
    const sources = await readSources(flags.filename, { recursive: flags.recursive ?? false, stdin: streams.stdin });
    const wanted = wantedOf(sources, flags.namespace);
    return { wanted, severalTypes: new Set(wanted.map((w) => w.definition.id)).size > 1 };
  }
  const wanted = parseResourceArguments(args);
  if (wanted === undefined)
    throw new UserError('say what to get, such as "isthmus get virtualservices" or "isthmus get all"');
  return wanted;
}

function namespaceOf(flags: Flags): string | undefined {
  return flags.allNamespaces ? undefined : (flags.namespace ?? 'default');
}

function matches(selector: LabelSelector | undefined, { labels }: Resource): boolean {
  return selector === undefined || matchesLabelSelector(selector, labels);
}

async function fetchAll(
  client: ControlClient,
  wanted: readonly (Wanted & { readonly namespace?: string })[],
  flags: Flags,
  selector: LabelSelector | undefined,
): Promise<{ resources: Resource[]; missing: Wanted[] }> {
  const resources: Resource[] = [];
  const missing: Wanted[] = [];
  for (const one of wanted) {
    const found = await fetchResources(client, { ...one, namespace: one.namespace ?? namespaceOf(flags) });
    if (one.name !== undefined && found.length === 0 && !flags.ignoreNotFound) missing.push(one);
    resources.push(...found.filter((resource) => matches(selector, resource)));
  }
  return { resources, missing };
}

function render(
  resources: readonly Resource[],
  flags: Flags,
  format: OutputFormat,
  severalTypes: boolean,
  single = false,
): string {
  if (format.type !== 'table') return formatObjects(resources, format, { single, noHeaders: !flags.headers });
  const groups = new Map<string, Resource[]>();
  for (const resource of resources) {
    const { id } = resource.definition;
    groups.set(id, [...(groups.get(id) ?? []), resource]);
  }
  return [...groups.values()]
    .map((group) =>
      formatResources(group, {
        wide: format.wide,
        allNamespaces: flags.allNamespaces === true,
        noHeaders: !flags.headers,
        showKind: severalTypes,
        showLabels: flags.showLabels === true,
        labelColumns: flags.labelColumns ?? [],
        now: Date.now(),
      }),
    )
    .join(flags.headers ? '\n' : '');
}

function nothingFound(wanted: readonly Wanted[], flags: Flags): string {
  const namespace = namespaceOf(flags);
  const inNamespace = namespace !== undefined && wanted.some(({ definition }) => definition.namespaced);
  return inNamespace ? `No resources found in ${namespace} namespace.` : 'No resources found';
}

async function warn(
  client: ControlClient,
  wanted: readonly Wanted[],
  flags: Flags,
  streams: Streams,
  { type }: OutputFormat,
): Promise<void> {
  const namespace = namespaceOf(flags);
  const { refusals, warnings } = await rejectionsOf(client, (kind, itsNamespace, itsName) =>
    wanted.some(
      ({ definition, name }) =>
        definition.id === kind &&
        (name === undefined || name === itsName) &&
        (namespace === undefined || !definition.namespaced || namespace === itsNamespace),
    ),
  );
  for (const line of [...refusals, ...(type === 'table' ? warnings : [])]) streams.stderr.write(`Warning: ${line}\n`);
}
