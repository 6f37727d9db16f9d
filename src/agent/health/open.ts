import type { WorkloadState } from '../../ca/client/state.ts';
import { type ControlChannelOptions, openControlChannel } from '../control-channel.ts';
import { HealthChecker } from './checker.ts';
import { tryProbe } from './probe.ts';
import { HealthReporter } from './reporter.ts';
import { WellBeing } from './well-being.ts';

/**
 * Probes the program as ProxyConfig's `readinessProbe` says and tells the control plane, which takes a workload that is
 * not well out of its services; so it does, at once, with one whose certificate has expired, which nobody will talk to.
 * Undefined without a probe. Returns how to end it.
 */
export function openHealth(options: ControlChannelOptions): (() => void) | undefined {
  const { proxyConfig, network, clock, logging, certificates } = options;
  const { readinessProbe: probe } = proxyConfig;
  if (probe === undefined) return undefined;
  const log = logging.scope('healthcheck');
  const reporter = new HealthReporter({ ...openControlChannel(options), clock, log });
  const being = new WellBeing((problem) => reporter.tell(problem));
  const noteCertificate = (state: WorkloadState) => being.certificate(certificateProblem(state));
  if (certificates) noteCertificate(certificates.state);
  const unsubscribe = certificates?.subscribe(noteCertificate);
  const checker = new HealthChecker({
    probe,
    attempt: () => tryProbe(probe, (port) => network.program(port)),
    onChange: (problem) => {
      if (problem === undefined) log.info('the program is well');
      else log.warn(`the program is not well: ${problem}`);
      being.program(problem);
    },
    clock,
  });
  return () => {
    unsubscribe?.();
    checker.close();
    reporter.close();
  };
}

function certificateProblem({ certificate, lastError }: WorkloadState): string | undefined {
  if (certificate !== undefined) return undefined;
  return `there is no valid certificate${lastError ? `: ${lastError.message}` : ''}`;
}
