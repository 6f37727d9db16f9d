import type { Socket } from 'node:net';

/** How soon the two ends of a connection between an agent and the control plane ask for a sign of life, in seconds. */
export const SIGN_OF_LIFE = { idle: 5, interval: 2, probes: 3 } as const;

/**
 * Lets the kernel find out that the other end has gone without a word: 11 s after its last sign of life. Where something
 * is on its way at that moment, TCP waits for it instead, and a ping of HTTP/2 has to tell.
 */
export function askForSignsOfLife(socket: Socket): void {
  const { idle, interval, probes } = SIGN_OF_LIFE;
  socket.setKeepAlive(true, idle * 1000, interval * 1000, probes);
}
