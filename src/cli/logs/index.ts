import { once } from 'node:events';
import { Writable } from 'node:stream';
import type { Command } from 'commander';
import { UserError } from '../../base/errors.ts';
import type { ControlClient } from '../../config/control/client.ts';
import type { ContainerStatus, MeshStatus, PodStatus } from '../../config/control/mesh-api.ts';
import { matchesLabelSelector } from '../../config/labels.ts';
import { Exit, type OutputStream, type Streams } from '../command.ts';
import { failAsKubectl, ServerError, speakKubectl } from '../kubectl/errors.ts';
import { addMeshFlag, connect, countFlag, durationFlag, type MeshFlags } from '../kubectl/flags.ts';
import { parseLabelSelector } from '../kubectl/label-selector.ts';
import { fetchResources } from '../kubectl/objects.ts';
import { containerOf, findPods } from '../kubectl/pods.ts';
import { resourceTypes } from '../kubectl/resource-type.ts';
import { bearsTimes, followLog, type LogPosition, readLog } from './log-file.ts';

interface Flags extends MeshFlags {
  readonly namespace?: string;
  readonly container?: string;
  readonly allContainers?: boolean;
  readonly follow?: boolean;
  readonly previous?: boolean;
  readonly tail?: number;
  readonly since?: number;
  readonly selector?: string;
  readonly prefix?: boolean;
}

/** A log that is to be printed. */
interface Source {
  /** `pod/catalog-x2x7k/istio-proxy`; of the control plane `discovery`. */
  readonly label: string;
  readonly file: string;
}

/** Names of the control plane, which has a log as well. */
const CONTROL_PLANE: ReadonlySet<string> = new Set(['discovery', 'istiod', 'deploy/istiod', 'deployment/istiod']);

const EXAMPLES = `
NAME is a pod, a workload, or TYPE/NAME such as deploy/catalog or svc/catalog; discovery is the control plane. Without
one, all programs of all pods are shown, each line with its pod and container before it. A log begins with the start
of its program; --previous shows the run before. --follow goes on over restarts, until the mesh ends.

Examples:
  isthmus logs catalog
  isthmus logs deploy/catalog -c istio-proxy -f
  isthmus logs catalog --previous
  isthmus logs -l app=catalog --all-containers --tail 20
  isthmus logs -f
  isthmus logs discovery --since 5m
`;

/** `isthmus logs`: `kubectl logs` of the programs and proxies of a local mesh. */
export function define(command: Command, streams: Streams): void {
  failAsKubectl(command, streams);
  command
    .argument('[name]', 'pod, workload, TYPE/NAME or discovery')
    .option('-n, --namespace <name>', 'namespace (default: "default"; without a name all of them)')
    .option('-c, --container <name>', 'this container, such as istio-proxy')
    .option('--all-containers', 'all containers of the pod')
    .option('-f, --follow', 'go on with what is printed from now on')
    .option('-p, --previous', 'what the run before the present one has printed')
    .option('--tail <lines>', 'only the last lines', tailFlag)
    .option('--since <duration>', 'only lines that are not older, such as 5m', durationFlag)
    .option('-l, --selector <labels>', 'pods with these labels')
    .option('--prefix', 'each line with its pod and container before it')
    .addHelpText('after', EXAMPLES);
  addMeshFlag(command).action((name: string | undefined, flags: Flags) =>
    speakKubectl(streams, () => logs(name, flags, streams)),
  );
}

/** -1 means all, as in kubectl. */
function tailFlag(text: string): number | undefined {
  return text === '-1' ? undefined : countFlag(text);
}

async function logs(name: string | undefined, flags: Flags, streams: Streams): Promise<void> {
  if (name !== undefined && flags.selector !== undefined)
    throw new UserError('only a selector (-l) or a name is allowed');
  if (flags.follow && flags.previous) throw new UserError('only one of follow (-f) or previous (-p) is allowed');
  const { client } = await connect(flags);
  const status = await client.status();
  const sources =
    name !== undefined && CONTROL_PLANE.has(name)
      ? [{ label: 'discovery', file: fileOf(status.discovery, 'discovery', flags) }]
      : name !== undefined
        ? await ofName(client, status, name, flags, streams)
        : await ofMany(client, status, flags);
  const readable = flags.since === undefined ? sources : withTimes(sources, streams);
  const prefix = flags.prefix || name === undefined;
  const print = (source: Source, line: string) =>
    streams.stdout.write(prefix ? `[${source.label}] ${line}\n` : `${line}\n`);
  const since = flags.since === undefined ? undefined : Date.now() - flags.since;
  const positions: LogPosition[] = [];
  for (const source of readable) {
    const lines = readLog(source.file, { tail: flags.tail, since });
    let next = lines.next();
    for (; !next.done; next = lines.next()) {
      const flows = print(source, next.value) !== false;
      if (!(flows && isThere(streams.stdout))) await drained(streams.stdout);
    }
    positions.push(next.value);
  }
  if (!flags.follow) return;
  const stops = readable.map((source, i) => followLog(source.file, positions[i]!, (line) => print(source, line)));
  await meshEnd(client);
  for (const stop of stops) stop();
}

/** Those whose lines say when they were printed. Others are said to be left out; one alone is an error. */
function withTimes(sources: readonly Source[], streams: Streams): readonly Source[] {
  const without = sources.filter(({ file }) => !bearsTimes(file));
  const text = ({ label }: Source) => `the lines of ${label} do not say when they were printed; use --tail instead`;
  if (without.length === sources.length && without[0] !== undefined) throw new UserError(text(without[0]));
  for (const source of without) streams.stderr.write(`Warning: ${text(source)}\n`);
  return sources.filter((source) => !without.includes(source));
}

/** False once its reader has gone, such as head, which has seen enough. */
function isThere(stream: OutputStream): boolean {
  return !(stream instanceof Writable && stream.destroyed);
}

/** Waits until what was written has gone, so that a long log does not pile up in memory; ends with its reader. */
async function drained(stream: OutputStream): Promise<void> {
  if (stream instanceof Writable && !stream.destroyed) await once(stream, 'drain').catch(() => {});
  if (!isThere(stream)) throw new Exit(0);
}

async function ofName(
  client: ControlClient,
  status: MeshStatus,
  name: string,
  flags: Flags,
  streams: Streams,
): Promise<Source[]> {
  const found = await findPods(client, status, flags.namespace ?? 'default', name);
  const pod = found.pods[0]!;
  if (found.pods.length > 1) streams.stderr.write(`Found ${found.pods.length} pods, using pod/${pod.name}\n`);
  if (flags.allContainers) return pod.containers.map((container) => sourceOf(pod, container, flags));
  return [
    sourceOf(
      pod,
      containerOf(pod, flags.container, (note) => streams.stderr.write(`${note}\n`)),
      flags,
    ),
  ];
}

/** All pods, or those with labels: their programs, and with --all-containers or -c their proxies. */
async function ofMany(client: ControlClient, { pods }: MeshStatus, flags: Flags): Promise<Source[]> {
  const selector = flags.selector === undefined ? undefined : parseLabelSelector(flags.selector);
  const namespace = flags.namespace ?? (selector === undefined ? undefined : 'default');
  const { definition, apiVersion } = resourceTypes('pods')[0]!;
  const objects = await fetchResources(client, { definition, apiVersion, namespace, name: undefined });
  const selected = new Set(
    objects.filter(({ labels }) => selector === undefined || matchesLabelSelector(selector, labels)).map((o) => o.key),
  );
  const sources = pods
    .filter((pod) => selected.has(`Pod/${pod.namespace}/${pod.name}`))
    .flatMap((pod) =>
      pod.containers
        .filter(({ name }) =>
          flags.container !== undefined
            ? name === flags.container
            : flags.allContainers || name !== 'istio-proxy' || pod.proxy === 'gateway',
        )
        .map((container) => sourceOf(pod, container, flags)),
    );
  if (sources.length === 0) {
    throw new UserError(namespace === undefined ? 'no pods found' : `no pods found in ${namespace} namespace`);
  }
  return sources;
}

function sourceOf(pod: PodStatus, container: ContainerStatus, flags: Flags): Source {
  const what = `container ${JSON.stringify(container.name)} in pod ${JSON.stringify(pod.name)}`;
  return { label: `pod/${pod.name}/${container.name}`, file: fileOf(container, what, flags) };
}

function fileOf(
  program: Pick<ContainerStatus, 'restarts' | 'logFile' | 'previousLogFile'>,
  what: string,
  { previous }: Flags,
): string {
  if (!previous) return program.logFile;
  if (program.restarts === 0) throw new ServerError('BadRequest', `previous terminated ${what} not found`);
  return program.previousLogFile;
}

/** Resolves when the mesh is not there any more. */
function meshEnd(client: ControlClient): Promise<void> {
  return new Promise((resolve) =>
    client.watch(
      { kinds: ['Namespace'] },
      () => {},
      () => resolve(),
    ),
  );
}
