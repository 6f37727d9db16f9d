import type { ControlClient } from '../../config/control/client.ts';
import { formatMessage } from '../../config/message.ts';

/**
 * What is wrong with objects of these kinds that stand in files and were not taken over, and what was said about those
 * that were, one line each: somebody who looks at what is in force should learn that it is not what they wrote.
 */
export async function rejectionsOf(
  client: ControlClient,
  wanted: (kind: string, namespace: string, name: string) => boolean,
): Promise<{ readonly refusals: string[]; readonly warnings: string[] }> {
  const { rejected, warnings } = await client.state();
  const refusals = rejected.flatMap(({ key, messages, lastGood }) => {
    const [kind = '', namespace, name] = key.split('/');
    // What cannot be read at all may be anything.
    if (namespace !== undefined && name !== undefined && messages.every((m) => m.key !== undefined)) {
      if (!wanted(kind, namespace, name)) return [];
    }
    const rest = lastGood ? '; its last good version stays in force' : '';
    return messages.map((message) => `${formatMessage(message)}${rest}`);
  });
  const isWanted = (key = '') => {
    const [kind = '', namespace = '', name = ''] = key.split('/');
    return wanted(kind, namespace, name);
  };
  return { refusals, warnings: warnings.filter(({ key }) => isWanted(key)).map(formatMessage) };
}
