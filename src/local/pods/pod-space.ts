import type { CaptureMode } from '../../agent/capture/options.ts';
import type { Inside } from '../../agent/pod-network.ts';

/** The network in which the processes of a pod run. */
export interface PodSpace {
  /** Whether it is the pod's own, so that programs may listen wherever they like. */
  readonly isOwn: boolean;
  /** Whether the sidecar is in it as well. */
  readonly hasProxy: boolean;
  /** How traffic of programs that know nothing of proxies gets to the sidecar; undefined where it does not. */
  readonly captures: CaptureMode | undefined;
  /** The pod's address of IPv6, where it has one of its own. */
  readonly ipv6: string | undefined;
  /** Words before a command that make it run there as the sidecar, whose connections nobody captures. */
  readonly enterProxy: readonly string[];
  /** Words before a command that make it run there as a program of the pod. */
  readonly enterProgram: readonly string[];
  /** What its agent must know of it, where it is in it. */
  readonly agentEnv: Readonly<Record<string, string>>;
  /** What its agent must know of it, where it is not; undefined where the programs are with it. */
  readonly inside: Inside | undefined;
  /** A process that is in it, if the sidecar is not. */
  readonly pid: number | undefined;
  /** Makes it. May throw. */
  open(): Promise<void>;
  /** Removes it, also when it is about to be made. */
  close(): Promise<void>;
}

/** The network of the machine, which the pod shares with others. */
export const SHARED_SPACE: PodSpace = {
  isOwn: false,
  hasProxy: false,
  captures: undefined,
  ipv6: undefined,
  enterProxy: [],
  enterProgram: [],
  agentEnv: {},
  inside: undefined,
  pid: undefined,
  open: () => Promise.resolve(),
  close: () => Promise.resolve(),
};
