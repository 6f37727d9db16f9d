import { http } from '../../base/node-http.ts';
import type { ConvergenceState } from '../../config/control/api.ts';

const STAT = 'listener_manager.total_listeners_warming';
const LOOK_MS = 20;
const ANSWER_MS = 1000;
const MAX_ANSWER = 64 * 1024;

/**
 * Waits until the listeners of the proxies that a change concerns are at work. A proxy acknowledges a listener when it
 * has taken it, while routes and secrets may still be on their way to it. Those that are not at work after `timeoutMs`
 * are named as laggards. `adminOf` tells where a proxy is asked; undefined for one that is not ours to ask.
 */
export async function whenWarm(
  convergence: ConvergenceState,
  adminOf: (proxy: string) => string | undefined,
  timeoutMs: number,
): Promise<ConvergenceState> {
  const deadline = Date.now() + timeoutMs;
  const found = await Promise.all(
    convergence.synced.map(async (proxy) => {
      const admin = adminOf(proxy);
      const warming = admin === undefined ? 0 : await warmingUntil(admin, deadline);
      if (warming === 0) return [];
      const listeners = warming === 1 ? 'a listener waits' : `${warming} listeners wait`;
      return [{ proxy, reason: `${listeners} for routes or secrets that have not come` }];
    }),
  );
  const cold = found.flat();
  if (cold.length === 0) return convergence;
  const names = new Set(cold.map(({ proxy }) => proxy));
  return {
    ...convergence,
    converged: false,
    synced: convergence.synced.filter((proxy) => !names.has(proxy)),
    laggards: [...convergence.laggards, ...cold],
  };
}

/** How many listeners are still warming when none is any more, or the time is over. A proxy that is gone has none. */
async function warmingUntil(admin: string, deadline: number): Promise<number> {
  for (;;) {
    const warming = await countWarming(admin).catch(() => 0);
    if (warming === 0 || Date.now() >= deadline) return warming;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function countWarming(admin: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const url = `http://${admin}/stats?filter=${encodeURIComponent(`^${STAT}$`)}`;
    const request = http.get(url, { agent: false, timeout: ANSWER_MS }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text += part;
        if (text.length > MAX_ANSWER) answer.destroy(new Error('too long'));
      });
      answer.on('error', reject);
      answer.on('end', () => resolve(Number(/: (\d+)/.exec(text)?.[1] ?? 0)));
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
  });
}
