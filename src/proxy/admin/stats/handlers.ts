import {
  type AdminAnswer,
  type AdminHandler,
  type AdminParameter,
  badRequest,
  HTML,
  JSON_TYPE,
  TEXT,
} from '../handler.ts';
import { page } from '../html.ts';
import type { AdminProxy } from '../proxy.ts';
import { statsJson } from './json.ts';
import { statsQuery } from './query.ts';
import { statsText } from './text.ts';

function stats(proxy: AdminProxy, parameters: ReadonlyMap<string, string>): AdminAnswer {
  const query = statsQuery(parameters);
  if ('problem' in query) return badRequest(query.problem);
  proxy.refreshStats();
  const { statsView, worker } = proxy;
  switch (query.format) {
    case 'json':
      return { type: JSON_TYPE, body: statsJson(worker.stats, statsView.layouts, query) };
    case 'prometheus':
      return { body: statsView.prometheus.write(query) };
    case 'html':
    case 'active-html':
      return { type: HTML, body: page('Envoy Admin', statsText(worker.stats, statsView.layouts, query)) };
    default:
      return { type: TEXT, body: statsText(worker.stats, statsView.layouts, query) };
  }
}

const FILTER_PARAMETERS: readonly AdminParameter[] = [
  { id: 'filter', help: 'Only names in which this regular expression (RE2) is found', kind: 'text' },
  { id: 'invert_filter', help: 'Only names in which it is not found', kind: 'flag' },
];

const USED_ONLY: AdminParameter = { id: 'usedonly', help: 'Only statistics that are not zero', kind: 'flag' };

const OK: AdminAnswer = { body: 'OK\n' };

/** What reads and resets statistics. */
export const STATS_HANDLERS: readonly AdminHandler[] = [
  {
    path: '/stats',
    help: 'print statistics',
    parameters: [
      USED_ONLY,
      ...FILTER_PARAMETERS,
      {
        id: 'format',
        help: 'Format to use',
        choices: ['html', 'active-html', 'text', 'json'],
      },
      {
        id: 'type',
        help: 'Kinds of statistics',
        choices: ['All', 'Counters', 'Histograms', 'Gauges', 'TextReadouts'],
      },
      {
        id: 'histogram_buckets',
        help: 'How to show histograms',
        choices: ['cumulative', 'disjoint', 'detailed', 'summary'],
      },
    ],
    run: stats,
  },
  {
    path: '/stats/prometheus',
    help: 'print statistics as Prometheus reads them',
    parameters: [
      USED_ONLY,
      {
        id: 'text_readouts',
        help: 'Text readouts as well, as gauges of 0 with the text as a label',
        kind: 'flag',
      },
      ...FILTER_PARAMETERS,
      { id: 'histogram_buckets', help: 'How to show histograms', choices: ['cumulative', 'summary'] },
    ],
    run: (proxy, parameters) => stats(proxy, new Map([...parameters, ['format', 'prometheus']])),
  },
  {
    path: '/stats/recentlookups',
    help: 'print names of statistics that were looked up; none ever are',
    run: () => ({
      body: 'Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n\ntotal: 0\n',
    }),
  },
  {
    path: '/stats/recentlookups/clear',
    help: 'forget lookups',
    mutates: true,
    run: () => OK,
  },
  {
    path: '/stats/recentlookups/disable',
    help: 'stop recording lookups',
    mutates: true,
    run: () => OK,
  },
  {
    path: '/stats/recentlookups/enable',
    help: 'record lookups',
    mutates: true,
    run: () => OK,
  },
];
