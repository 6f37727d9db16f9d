import { readFileSync } from 'node:fs';
import type { Message } from '../../analysis/message.ts';
import type { Resource } from '../../analysis/resource.ts';
import type { ObjectState } from '../../config/control/api.ts';
import type { ControlClient } from '../../config/control/client.ts';
import { objectKey } from '../../config/object.ts';
import type { Streams } from '../command.ts';

/**
 * What analysis finds in a mesh, about the resources that are asked for: warnings and errors, not what is only good to
 * know. Analysis is loaded when it is first wanted: most commands do without.
 */
export async function findingsAbout(
  objects: readonly ObjectState[],
  wanted: (resource: Resource) => boolean = () => true,
): Promise<Message[]> {
  const { analyze, readRunningState } = await analysis();
  // Objects that were refused are told of in other words.
  const { options } = readRunningState(objects, [], undefined, textOf);
  return analyze([], options).filter(({ level, resource }) => level !== 'Info' && wanted(resource));
}

/** Prints what analysis finds in the objects with these keys. */
export async function tellFindings(client: ControlClient, keys: readonly string[], streams: Streams): Promise<void> {
  if (keys.length === 0) return;
  const wanted = new Set(keys);
  const { objects } = await client.objects({});
  const findings = await findingsAbout(objects, ({ id, namespace, name }) =>
    wanted.has(objectKey(id, namespace, name)),
  );
  const colours = streams.stderr.isTTY === true && !process.env.NO_COLOR;
  for (const line of await findingLines(findings, colours)) streams.stderr.write(`${line}\n`);
}

/** Findings as lines, as `isthmus analyze` prints them. */
export async function findingLines(findings: readonly Message[], colours: boolean): Promise<string[]> {
  if (findings.length === 0) return [];
  const { formatMessage } = await analysis();
  return findings.map((finding) => formatMessage(finding, colours));
}

/** The text of a file of the mesh, in which analysis looks for the lines of fields. */
export function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Analysis then tells where the object was.
    return undefined;
  }
}

async function analysis() {
  const [{ analyze }, { readRunningState }, { formatMessage }] = await Promise.all([
    import('../../analysis/analyze.ts'),
    import('../../analysis/running.ts'),
    import('../../analysis/message.ts'),
  ]);
  return { analyze, readRunningState, formatMessage };
}
