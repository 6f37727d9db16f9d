import type { Message } from '../../analysis/message.ts';
import type { Resource } from '../../analysis/resource.ts';
import type { ObjectState } from '../../config/control/api.ts';
import type { ControlClient } from '../../config/control/client.ts';
import { objectKey } from '../../config/object.ts';
import type { Streams } from '../command.ts';

/**
 * What does not fit together in a mesh, about the resources that are asked for, with a line for each. Analysis is
 * loaded when it is first wanted: most commands do without.
 */
export async function findingsAbout(
  objects: readonly ObjectState[],
  wanted?: (resource: Resource) => boolean,
): Promise<{ readonly message: Message; readonly line: string }[]> {
  const [{ describeFinding, findingsIn }, { textOfFile }] = await Promise.all([
    import('../../analysis/findings.ts'),
    import('../../analysis/places.ts'),
  ]);
  return findingsIn(objects, textOfFile, wanted).map((message) => ({ message, line: describeFinding(message) }));
}

/** Prints what analysis finds in the objects with these keys: they are in force nevertheless. */
export async function tellFindings(client: ControlClient, keys: readonly string[], streams: Streams): Promise<void> {
  if (keys.length === 0) return;
  const wanted = new Set(keys);
  const { objects } = await client.objects({});
  const findings = await findingsAbout(objects, ({ id, namespace, name }) =>
    wanted.has(objectKey(id, namespace, name)),
  );
  for (const { line } of findings) streams.stderr.write(`Warning: ${line}\n`);
}
