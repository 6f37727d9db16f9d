import { UserError } from '../base/errors.ts';
import { compareText, formatJsonpb, type Message } from './output/json.ts';
import { unifiedDiff } from './output/unified-diff.ts';
import { ConfigDump, resourcesOf, type SectionName } from './proxy-config/config-dump.ts';
import { messageAt, messagesAt, textAt } from './proxy-config/fields.ts';

/** Lines around a change. */
const CONTEXT = 7;

interface Comparison {
  readonly what: string;
  readonly section: SectionName;
  readonly list: string;
  readonly resource: (entry: Message) => Message | undefined;
}

const COMPARISONS: readonly Comparison[] = [
  {
    what: 'Clusters',
    section: 'ClustersConfigDump',
    list: 'dynamicActiveClusters',
    resource: (entry) => messageAt(entry, 'cluster'),
  },
  {
    what: 'Listeners',
    section: 'ListenersConfigDump',
    list: 'dynamicListeners',
    resource: (entry) => messageAt(entry, 'activeState', 'listener'),
  },
  {
    what: 'Routes',
    section: 'RoutesConfigDump',
    list: 'dynamicRouteConfigs',
    resource: (entry) => messageAt(entry, 'routeConfig'),
  },
];

/**
 * Compares what the control plane has for a proxy with what the proxy runs with, from the two `/config_dump`s. Throws a
 * UserError if one cannot be read.
 */
export function compareDumps(istiod: string, envoy: string): string {
  const [wanted, actual] = [new ConfigDump(istiod), new ConfigDump(envoy)];
  return COMPARISONS.map((comparison) => compareSection(comparison, wanted, actual)).join('');
}

function compareSection(comparison: Comparison, wanted: ConfigDump, actual: ConfigDump): string {
  const { what } = comparison;
  const diff = unifiedDiff(
    { name: `Istiod ${what}`, lines: linesOf(wanted, comparison) },
    { name: `Envoy ${what}`, lines: linesOf(actual, comparison) },
    CONTEXT,
  );
  const loaded = what === 'Routes' ? describeLoadTime(actual) : '';
  return diff === '' ? `${what} Match${loaded}\n` : `${what} Don't Match${loaded}\n${diff}\n`;
}

/** Resources by name, without versions and times, which differ for good reasons. */
function linesOf(dump: ConfigDump, { section, list, resource }: Comparison): string[] {
  const resources = resourcesIn(dump, section, list, resource);
  resources.sort((a, b) => compareText(textAt(a, 'name'), textAt(b, 'name')));
  return resources.flatMap((message) => formatJsonpb(message, '   ').split('\n'));
}

function resourcesIn(
  dump: ConfigDump,
  section: SectionName,
  list: string,
  resource: Comparison['resource'],
): Message[] {
  if (!dump.has(section)) return [];
  try {
    return resourcesOf(dump.section(section), list, resource);
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`cannot compare: ${error.message}`, { cause: error });
    throw error;
  }
}

function describeLoadTime(dump: ConfigDump): string {
  if (!dump.has('RoutesConfigDump')) return '';
  const times = messagesAt(dump.section('RoutesConfigDump'), 'dynamicRouteConfigs').map((entry) =>
    Date.parse(textAt(entry, 'lastUpdated')),
  );
  const last = Math.max(...times.filter((time) => Number.isFinite(time)));
  if (!Number.isFinite(last)) return '';
  return ` (RDS last loaded at ${new Date(last).toUTCString().replace('GMT', 'UTC')})`;
}
