import { podPort } from '../../agent/pod-network.ts';
import { listeningSockets } from '../../process/listening-sockets.ts';
import type { PodSpace } from './pod-space.ts';
import type { ProbeTarget } from './probe.ts';
import { withRewrittenProbes } from './sidecar-annotations.ts';

/** How a program of a pod is probed: one whose traffic is captured through the agent, as a kubelet has to. */
export function programTarget(
  where: Omit<ProbeTarget, 'enter' | 'port'>,
  space: PodSpace,
  pod: {
    readonly privileged: boolean;
    readonly annotations: Readonly<Record<string, string>>;
    readonly proxyPid: () => number | undefined;
  },
): ProbeTarget {
  const target = { ...where, enter: space.enterProgram, port: (port: number) => podPort(port, pod.privileged) };
  if (!space.captures) return target;
  // The sidecar takes connections for every port, so that only the system can tell.
  const isListening = (port: number) =>
    listeningSockets(space.pid ?? pod.proxyPid()).some((socket) => socket.port === port);
  const port = space.hasProxy ? target.port : (own: number) => own;
  return { ...target, port, container: withRewrittenProbes(where.container, pod.annotations), isListening };
}
