import type { StatScope } from '../../observe/stats.ts';

/** Where the statistics of an HTTP filter hang: `http.STAT_PREFIX.` and what the filter puts behind it, such as `cors.`. */
export function httpScope(statPrefix: string, filter: string): StatScope {
  return {
    prefix: `http.${statPrefix}.${filter}`,
    prometheusPrefix: `envoy_http_${filter.replaceAll('.', '_')}`,
    labels: [['envoy_http_conn_manager_prefix', statPrefix]],
  };
}
