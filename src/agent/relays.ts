import { messageOf, UserError } from '../base/errors.ts';
import { openRelay } from './net/relay.ts';

/**
 * Environment variable by which `up` asks an agent in a network of its own for ways in: JSON, a list of `{path, port}`.
 * Who connects to the Unix socket `path` reaches `port` of the agent's localhost.
 */
export const RELAYS_VARIABLE = 'ISTHMUS_AGENT_RELAYS';

/** A Unix socket that leads to a port of localhost. */
export interface AgentRelay {
  readonly path: string;
  readonly port: number;
}

/** Reads the variable. Throws a UserError if it is not what `up` writes. */
export function parseRelays(text: string | undefined): readonly AgentRelay[] {
  if (text === undefined) return [];
  try {
    const relays = JSON.parse(text) as readonly AgentRelay[];
    if (!relays.every(({ path, port }) => typeof path === 'string' && Number.isInteger(port)))
      throw new Error('it must be a list of {path, port}');
    return relays;
  } catch (error) {
    throw new UserError(`The environment variable ${RELAYS_VARIABLE} is not what \`up\` writes: ${messageOf(error)}.`);
  }
}

/** Opens them all. Returns how to close them. */
export async function openRelays(relays: readonly AgentRelay[], localhost: string): Promise<() => void> {
  const open = await Promise.all(relays.map(({ path, port }) => openRelay({ path }, { host: localhost, port })));
  return () => {
    for (const relay of open) relay.close();
  };
}
