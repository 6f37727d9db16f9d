import type { Clock } from '../base/clock.ts';
import type { BoundPod } from '../ca/tokens/token-authenticator.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';

/** A pod may ask for its certificate before the control plane has been told of it, but not this long after. */
const KNOWN_AFTER_MS = 60_000;

/**
 * Why a token of a pod is good no longer, or undefined while the pod is at work: a token that was stolen is worth
 * nothing once its pod has gone, however long it would last.
 */
export function podProblem(config: Pick<ConfigSnapshot, 'get'>, pod: BoundPod, clock: Clock): string | undefined {
  const { namespace, name, uid, issuedAt } = pod;
  const known = config.get('Pod', namespace, name)?.metadata.uid;
  const who = `the token was issued to the pod ${namespace}/${name}`;
  if (known === undefined) return clock.now() - issuedAt > KNOWN_AFTER_MS ? `${who}, which is not at work` : undefined;
  return known === uid ? undefined : `${who}, whose place another one has taken`;
}
