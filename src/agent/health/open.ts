import { toBinary } from '@bufbuild/protobuf';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { messageFromJson } from '../../api/json.ts';
import type { Clock } from '../../base/clock.ts';
import type { WorkloadSource } from '../../ca/client/state.ts';
import type { Discovery } from '../bootstrap/discovery.ts';
import { buildNode } from '../bootstrap/node.ts';
import { MOUNTED_ROOTS, readRoots } from '../certificates/roots.ts';
import { GrpcChannel } from '../grpc-channel.ts';
import type { AgentNetwork } from '../network.ts';
import type { AgentOptions } from '../options.ts';
import type { Paths } from '../paths.ts';
import { HealthChecker } from './checker.ts';
import { tryProbe } from './probe.ts';
import { HealthReporter } from './reporter.ts';

export interface OpenHealthOptions extends AgentOptions {
  readonly discovery: Discovery;
  readonly network: AgentNetwork;
  readonly paths: Paths;
  /** What proves to the control plane who tells it something. */
  readonly certificates: WorkloadSource | undefined;
  readonly clock: Clock;
}

/**
 * Probes the program as ProxyConfig's `readinessProbe` says and tells the control plane, which takes a workload that is
 * not well out of its services. Undefined without a probe. Returns how to end it.
 */
export function openHealth(options: OpenHealthOptions): (() => void) | undefined {
  const { proxyConfig, environment, discovery, network, paths, certificates, clock, logging } = options;
  const { readinessProbe: probe } = proxyConfig;
  if (probe === undefined) return undefined;
  const log = logging.scope('healthcheck');
  const pilotSan = discovery.serverName === undefined ? [] : [discovery.serverName];
  const node = messageFromJson(NodeSchema, JSON.parse(JSON.stringify(buildNode({ ...options, pilotSan }))));
  if ('problems' in node) throw new Error(`node: ${node.problems.map(({ message }) => message).join(', ')}`);
  const { serverName } = discovery;
  const channel = new GrpcChannel({
    ...network.target(discovery),
    ...(serverName !== undefined && {
      tls: {
        serverName,
        credentials: async () => ({
          roots: await readRoots(environment.xdsRootCa, MOUNTED_ROOTS, paths.resolve),
          certificate: certificates?.state.certificate,
        }),
      },
    }),
    clock,
  });
  const reporter = new HealthReporter({ channel, node: toBinary(NodeSchema, node.message), clock, log });
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
