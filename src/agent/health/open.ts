import { type ControlChannelOptions, openControlChannel } from '../control-channel.ts';
import { HealthChecker } from './checker.ts';
import { tryProbe } from './probe.ts';
import { HealthReporter } from './reporter.ts';

/**
 * Probes the program as ProxyConfig's `readinessProbe` says and tells the control plane, which takes a workload that is
 * not well out of its services. Undefined without a probe. Returns how to end it.
 */
export function openHealth(options: ControlChannelOptions): (() => void) | undefined {
  const { proxyConfig, network, clock, logging } = options;
  const { readinessProbe: probe } = proxyConfig;
  if (probe === undefined) return undefined;
  const log = logging.scope('healthcheck');
  const reporter = new HealthReporter({ ...openControlChannel(options), clock, log });
  const checker = new HealthChecker({
    probe,
    attempt: () => tryProbe(probe, (port) => network.program(port)),
    onChange: (problem) => {
      if (problem === undefined) log.info('the program is well');
      else log.warn(`the program is not well: ${problem}`);
      reporter.tell(problem);
    },
    clock,
  });
  return () => {
    checker.close();
    reporter.close();
  };
}
