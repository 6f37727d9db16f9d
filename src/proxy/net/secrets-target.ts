import type { Timers } from '../timers.ts';
import type { DownstreamTransport } from '../tls/transport.ts';
import type { InitTarget } from './network-filter.ts';

/**
 * How long a listener waits for secrets. Istio sets no `initial_fetch_timeout`, with which Envoy waits for ever and one
 * missing secret keeps the whole port shut.
 */
const SECRETS_WAIT_MS = 2000;

/**
 * Makes a listener wait for the secrets of a filter chain, so that an update that names other ones takes effect when
 * they are there. Ones that do not come in time then fail the connections of that chain, and no others.
 */
export function secretsTarget(transport: Pick<DownstreamTransport, 'whenSettled'>, timers: Timers): InitTarget {
  return {
    whenReady(callback) {
      let isOver = false;
      const finish = () => {
        if (isOver) return;
        isOver = true;
        timer.cancel();
        callback();
      };
      const timer = timers.start(SECRETS_WAIT_MS, finish);
      transport.whenSettled(finish);
    },
  };
}
