import { formatJson, formatJsonpb, type Message, type Printable } from '../output/json.ts';
import { formatYaml } from '../output/yaml.ts';
import { summarizeBootstrap } from './bootstrap.ts';
import { type ClusterFilter, clustersOf, summarizeClusters } from './clusters.ts';
import { ConfigDump, parseAnswer, readClusters, sectionOrReason } from './config-dump.ts';
import { summarizeExtensions } from './ecds.ts';
import { assignmentsOf, summarizeAssignments } from './eds.ts';
import { clustersWithEndpoints, type EndpointFilter, summarizeEndpoints } from './endpoints.ts';
import { listenersOf, summarizeListeners } from './listeners.ts';
import { plainJson } from './proto-json.ts';
import { routesOf, summarizeRoutes } from './routes.ts';
import { summarizeSecrets } from './secrets.ts';

export type OutputFormat = 'short' | 'json' | 'yaml';

/** Filters and styles of the commands, each of which has some of them. */
export interface ViewFlags extends ClusterFilter, EndpointFilter {
  readonly type?: string;
  readonly name?: string;
  readonly verbose?: boolean;
  readonly withHeaders?: boolean;
}

/** What to print of what an admin interface has answered, piece by piece. Throws a UserError. */
export type View = (answer: string, format: OutputFormat, flags: ViewFlags) => Iterable<string>;

export const listenerView: View = (answer, format, { verbose = true, ...flags }) => {
  const listeners = listenersOf(new ConfigDump(answer), flags);
  return [format === 'short' ? summarizeListeners(listeners, { verbose }) : formatValue(listeners, format)];
};

export const routeView: View = (answer, format, { verbose = true, name }) => {
  const routes = routesOf(new ConfigDump(answer), name);
  return [format === 'short' ? summarizeRoutes(routes, { verbose }) : formatValue(routes, format)];
};

export const clusterView: View = (answer, format, flags) => {
  const clusters = clustersOf(new ConfigDump(answer), flags);
  return [format === 'short' ? summarizeClusters(clusters) : formatValue(clusters, format)];
};

export const endpointView: View = (answer, format, flags) => {
  const clusters = readClusters(answer);
  if (format === 'short') return [summarizeEndpoints(clusters, flags)];
  return [formatValue(clustersWithEndpoints(clusters, flags), format)];
};

export const edsView: View = (answer, format, flags) => {
  const assignments = assignmentsOf(new ConfigDump(answer), flags);
  return [format === 'short' ? summarizeAssignments(assignments) : formatValue(assignments, format)];
};

export const secretView: View = (answer, format) => {
  const dump = new ConfigDump(answer);
  if (format === 'short') return [summarizeSecrets(dump.section('SecretsConfigDump'))];
  return [formatSection(sectionOrReason(dump, 'SecretsConfigDump', "sidecar doesn't support secrets"), format)];
};

export const bootstrapView: View = (answer, format) => {
  const section = new ConfigDump(answer).section('BootstrapConfigDump');
  return [format === 'short' ? summarizeBootstrap(section) : formatSection(section, format)];
};

export const ecdsView: View = (answer, format) => {
  const section = new ConfigDump(answer).section('EcdsConfigDump');
  return [format === 'short' ? summarizeExtensions(section) : formatValue(section, format)];
};

/** Everything: the tables one below the other as far as there are any, or the answer as it is. */
export const allView: View = function* (answer, format, flags) {
  if (format === 'json') yield `${answer}\n`;
  else if (format === 'yaml') yield `${formatYaml(plainJson(parseAnswer(answer)))}\n`;
  else yield* allTables(new ConfigDump(answer), flags);
};

function* allTables(dump: ConfigDump, flags: ViewFlags): Iterable<string> {
  const { verbose = true, withHeaders = false, name } = flags;
  const kind = true;
  const tables: readonly (readonly [heading: string, table: () => string])[] = [
    ['BOOTSTRAP', () => summarizeBootstrap(dump.section('BootstrapConfigDump'))],
    ['CLUSTER', () => summarizeClusters(clustersOf(dump, flags), kind)],
    ['LISTENER', () => summarizeListeners(listenersOf(dump, flags), { verbose, kind })],
    ['ROUTE', () => summarizeRoutes(routesOf(dump, name), { verbose, kind })],
    ['SECRET', () => summarizeSecrets(dump.section('SecretsConfigDump'), kind)],
    ['ENDPOINTS', () => summarizeAssignments(assignmentsOf(dump, flags), kind)],
  ];
  for (const [i, [heading, table]] of tables.entries()) {
    if (i > 0) yield '\n';
    if (withHeaders) yield `------ ${heading} INFO ------\n\n`;
    yield table();
  }
}

function formatValue(value: Printable, format: 'json' | 'yaml'): string {
  return `${format === 'json' ? formatJson(value) : formatYaml(value)}\n`;
}

/** Sections that are printed whole have a layout of their own in JSON. */
function formatSection(section: Message, format: 'json' | 'yaml'): string {
  return `${format === 'json' ? formatJsonpb(section) : formatYaml(section)}\n`;
}
