import { Resource } from '../session/resource-types.ts';

/** A step of a push: types that go out together, and are acknowledged before the next step begins. */
export interface PushStep {
  /** Undefined: all types that no step names. */
  readonly types: readonly string[] | undefined;
  /** Whether the client is told what is gone: not now, now, or unless it may still refer to it. */
  readonly removals: 'later' | 'now' | 'unreferenced';
}

/**
 * Make before break (xDS protocol, "Eventual consistency considerations"): what is referred to is there before what
 * refers to it, and goes after it. Secrets and filter configurations refer to nothing. A listener that is gone goes with
 * the listeners that take its address over, since no one can refer to it and two cannot be bound.
 */
export const PUSH_ORDER: readonly PushStep[] = [
  { types: [Resource.Secret, Resource.ExtensionConfig, Resource.Cluster], removals: 'later' },
  { types: [Resource.Endpoint], removals: 'later' },
  { types: [Resource.Listener], removals: 'now' },
  { types: [Resource.Route], removals: 'later' },
  { types: undefined, removals: 'now' },
  { types: [Resource.Cluster], removals: 'unreferenced' },
  { types: [Resource.Endpoint, Resource.Route, Resource.Secret, Resource.ExtensionConfig], removals: 'unreferenced' },
];

const NAMED: ReadonlySet<string> = new Set(PUSH_ORDER.flatMap((step) => step.types ?? []));

export function isInStep(step: PushStep, typeUrl: string): boolean {
  return step.types ? step.types.includes(typeUrl) : !NAMED.has(typeUrl);
}

/** The first step in which a type goes out. */
export function firstStepOf(typeUrl: string): number {
  return PUSH_ORDER.findIndex((step) => isInStep(step, typeUrl));
}
