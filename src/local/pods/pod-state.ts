import type { ProcessStatus } from '../../process/managed-process.ts';

/** A container as `status` shows it. */
export interface ContainerView extends ProcessStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly fault: string | undefined;
  readonly notReadyBecause: string | undefined;
  readonly init: boolean;
}

/** What `status` shows of one. */
export function viewOf(
  {
    status,
    name,
    ready,
    fault,
    notReadyBecause,
  }: Omit<ContainerView, 'init' | keyof ProcessStatus> & { readonly status: ProcessStatus },
  init: boolean,
): ContainerView {
  return { ...status, name, ready, fault, notReadyBecause, init };
}

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/** What is known of a pod's containers. */
export interface PodFindings {
  readonly containers: readonly ContainerView[];
  readonly phase: Phase;
  /** How many init containers it has in all. */
  readonly inits: number;
  readonly terminating: boolean;
  /** Why the pod does not get on, in Kubernetes' word and in a sentence. */
  readonly trouble: { readonly word: string; readonly message: string } | undefined;
}

/** The phase that its programs have brought about; undefined while some are not there yet. `wanted`: how many it has. */
export function phaseOf(states: readonly ProcessStatus['state'][], wanted: number): Phase | undefined {
  if (states.length === 0 || states.length < wanted) return undefined;
  if (states.every((state) => state === 'Completed')) return 'Succeeded';
  return states.every((state) => state === 'Completed' || state === 'Error') ? 'Failed' : 'Running';
}

export function hasFailed({ state, fault }: ContainerView): boolean {
  return fault !== undefined || state === 'CrashLoopBackOff' || state === 'Error';
}

/** What kubectl would print under STATUS. */
export function statusWord({ containers, phase, inits, terminating, trouble }: PodFindings): string {
  if (terminating) return 'Terminating';
  if (trouble) return trouble.word;
  if (phase === 'Succeeded') return 'Completed';
  const bad = containers.find(hasFailed);
  if (bad) return bad.state === 'Running' ? 'Error' : bad.state;
  const done = containers.filter(({ init, state }) => init && state === 'Completed').length;
  if (phase === 'Pending' && done < inits) return `Init:${done}/${inits}`;
  return phase === 'Pending' ? 'PodInitializing' : 'Running';
}

/** Why it is not as it should be, in a sentence. */
export function statusMessage({ containers, trouble }: PodFindings): string | undefined {
  if (trouble) return trouble.message;
  for (const { name, fault, state, lastEnd, ready, notReadyBecause } of containers) {
    if (fault) return `container ${name}: ${fault}`;
    if (state === 'CrashLoopBackOff' || state === 'Error') return `container ${name}: ${lastEnd}`;
    if (!ready && notReadyBecause && state === 'Running') return `container ${name}: ${notReadyBecause}`;
  }
  return undefined;
}
