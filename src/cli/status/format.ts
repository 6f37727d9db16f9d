import type { PodStatus } from '../../config/control/mesh-api.ts';
import { formatMessage } from '../../config/message.ts';
import { certificatesLine, missingSecrets, troubles } from '../certs.ts';
import { kubectlTable } from '../kubectl/object-table.ts';
import { formatAge } from '../output/age.ts';
import { configurationProblems, type MeshState, type Shortcoming } from './report.ts';

export interface FormatOptions {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly colours: boolean;
  /** Only pods of this namespace. */
  readonly namespace: string | undefined;
}

const RED = 31;
const GREEN = 32;
const YELLOW = 33;

/** What does not fit together in the configuration, as a line. */
export interface Finding {
  readonly line: string;
  readonly isError: boolean;
}

/** What `isthmus status` prints for people. */
export function formatStatus(
  state: MeshState,
  missing: readonly Shortcoming[],
  findings: readonly Finding[],
  options: FormatOptions,
): string {
  const { now, colours, namespace } = options;
  const paint = (colour: number, text: string) => (colours ? `\u001b[${colour}m${text}\u001b[0m` : text);
  const { mesh, configuration } = state;
  const verdict = missing.length === 0 ? paint(GREEN, 'ready') : paint(RED, 'not ready');
  const since = formatAge(now - mesh.startedAt);
  const sections = [`mesh ${mesh.name} of ${mesh.dir} is ${verdict}; it runs for ${since} as process ${mesh.pid}\n`];

  const pods = mesh.pods.filter((pod) => namespace === undefined || pod.namespace === namespace);
  sections.push(pods.length === 0 ? 'No pods.\n' : formatPods(pods, now, paint));
  const urls = mesh.urls.filter(({ hosts }) => hosts.length > 0);
  if (urls.length > 0) {
    const rows = urls.map(({ gateway, port, url, hosts }) => [gateway, String(port), url, hosts.join(',')]);
    sections.push(kubectlTable([['GATEWAY', 'PORT', 'URL', 'HOSTS'], ...rows]));
  }
  if (missing.length > 0) {
    sections.push(missing.map(({ object, reason }) => `${paint(RED, 'not ready:')} ${object}: ${reason}\n`).join(''));
  }
  const { certificates } = state;
  const colour = certificates && troubles(certificates).length > 0 ? RED : undefined;
  const line = certificates && `certificates: ${certificatesLine(certificates, now)}`;
  const last = line === undefined ? '' : `${colour === undefined ? line : paint(colour, line)}\n`;
  sections.push(controlPlane(state) + last);
  if (configuration !== undefined) {
    const error = (line: string) => `${paint(RED, 'error:')} ${line}\n`;
    const warning = (line: string) => `${paint(YELLOW, 'warning:')} ${line}\n`;
    const told = [
      ...configurationProblems(configuration).map(error),
      ...(certificates ? missingSecrets(certificates).map(error) : []),
      ...findings.filter(({ isError }) => isError).map(({ line }) => error(line)),
      ...configuration.warnings.map((message) => warning(formatMessage(message))),
      ...findings.filter(({ isError }) => !isError).map(({ line }) => warning(line)),
    ];
    if (told.length > 0) sections.push(told.join(''));
  }
  return sections.join('\n');
}

function formatPods(pods: readonly PodStatus[], now: number, paint: (colour: number, text: string) => string): string {
  const header = ['NAMESPACE', 'NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE', 'ADDRESS', 'CONTAINERS'];
  const rows = pods.map((pod) => [
    pod.namespace,
    pod.name,
    `${pod.ready}/${pod.size}`,
    pod.status,
    String(pod.restarts),
    formatAge(now - pod.createdAt),
    pod.podIp,
    pod.containers.map(({ name }) => name).join(',') || '<none>',
  ]);
  const [head, ...lines] = kubectlTable([header, ...rows])
    .trimEnd()
    .split('\n');
  const painted = lines.map((line, i) => {
    const { ready, size, status } = pods[i]!;
    if (ready === size || status === 'Completed') return line;
    return paint(/Err|Crash/.test(status) ? RED : YELLOW, line);
  });
  return `${[head, ...painted].join('\n')}\n`;
}

function controlPlane({ mesh, configuration }: MeshState): string {
  const { state, addresses, restarts } = mesh.discovery;
  const again = restarts === 0 ? '' : `, restarted ${plural(restarts, 'time')}`;
  if (configuration === undefined) return `control plane: ${state}${again}; it does not answer\n`;
  const { snapshot, objects, proxies, rejected, warnings } = configuration;
  const synced = proxies.filter(({ lag }) => lag === undefined).length;
  return [
    `control plane: ${state} at ${addresses.secureGrpc}${again}`,
    `snapshot ${snapshot} of ${plural(objects, 'object')}, ${rejected.length} refused, ${plural(warnings.length, 'warning')}`,
    `in force at ${synced} of ${plural(proxies.length, 'proxy')}\n`,
  ].join('; ');
}

function plural(count: number, thing: string): string {
  const many = thing.endsWith('y') ? `${thing.slice(0, -1)}ies` : `${thing}s`;
  return `${count} ${count === 1 ? thing : many}`;
}
