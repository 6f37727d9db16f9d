import { toBinary } from '@bufbuild/protobuf';
import { NodeSchema } from '../api/gen/envoy/config/core/v3/base_pb.ts';
import { messageFromJson } from '../api/json.ts';
import type { Clock } from '../base/clock.ts';
import type { WorkloadSource } from '../ca/client/state.ts';
import type { Discovery } from './bootstrap/discovery.ts';
import { buildNode } from './bootstrap/node.ts';
import { MOUNTED_ROOTS, readRoots } from './certificates/roots.ts';
import { GrpcChannel } from './grpc-channel.ts';
import type { AgentNetwork } from './network.ts';
import type { AgentOptions } from './options.ts';
import type { Paths } from './paths.ts';

export interface ControlChannelOptions extends AgentOptions {
  readonly discovery: Discovery;
  readonly network: AgentNetwork;
  readonly paths: Paths;
  /** What proves to the control plane who asks. */
  readonly certificates: WorkloadSource | undefined;
  readonly clock: Clock;
}

/** A channel of the agent's own to the control plane, and the encoded node by which it goes there: the proxy's. */
export function openControlChannel(options: ControlChannelOptions): { channel: GrpcChannel; node: Uint8Array } {
  const { environment, discovery, network, paths, certificates, clock } = options;
  const { serverName } = discovery;
  const pilotSan = serverName === undefined ? [] : [serverName];
  const node = messageFromJson(NodeSchema, JSON.parse(JSON.stringify(buildNode({ ...options, pilotSan }))));
  if ('problems' in node) throw new Error(`node: ${node.problems.map(({ message }) => message).join(', ')}`);
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
  return { channel, node: toBinary(NodeSchema, node.message) };
}
