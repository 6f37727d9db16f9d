import { Histogram } from '../observe/histogram.ts';
import { type ComputedStat, StatGroup } from '../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set(['downstream_cx_active', 'downstream_pre_cx_active']);

/** One worker is all that there is. */
const WORKER = [
  { name: 'worker_0.downstream_cx_active', kind: 'gauge', value: (stats) => stats.downstream_cx_active },
  { name: 'worker_0.downstream_cx_total', kind: 'counter', value: (stats) => stats.downstream_cx_total },
] satisfies readonly ComputedStat<ListenerStats>[] as readonly ComputedStat<never>[];

const SET_WITH: Readonly<Record<string, string>> = {
  downstream_cx_active: 'downstream_cx_total',
  downstream_pre_cx_active: 'downstream_cx_total',
  'worker_0.downstream_cx_active': 'downstream_cx_total',
};

/** Statistics of a listener (Envoy's `listener.ADDRESS.`). */
export class ListenerStats extends StatGroup {
  readonly gauges = GAUGES;
  override readonly setWith = SET_WITH;
  override readonly computed = WORKER;
  readonly connections_accepted_per_socket_event = new Histogram();
  readonly downstream_cx_length_ms = new Histogram();
  downstream_cx_active = 0;
  downstream_cx_destroy = 0;
  downstream_cx_overflow = 0;
  downstream_cx_overload_reject = 0;
  downstream_cx_total = 0;
  downstream_cx_transport_socket_connect_timeout = 0;
  downstream_global_cx_overflow = 0;
  downstream_listener_filter_error = 0;
  downstream_listener_filter_remote_close = 0;
  downstream_pre_cx_active = 0;
  downstream_pre_cx_timeout = 0;
  extension_config_missing = 0;
  network_extension_config_missing = 0;
  no_filter_chain_match = 0;
}
