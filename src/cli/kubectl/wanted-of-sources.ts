import { UserError } from '../../base/errors.ts';
import type { SourceText } from '../../config/control/api.ts';
import { formatMessage } from '../../config/message.ts';
import { type ReadEntry, readObjects } from '../../config/read.ts';
import type { Wanted } from './resource-type.ts';

/** An object that stands in a file. */
export interface WantedInFile extends Wanted {
  readonly name: string;
  readonly key: string;
  readonly namespace: string;
  /** The file that names it. */
  readonly source: string;
}

/**
 * The objects that texts name, whether or not they are valid otherwise; those of kinds without meaning to the mesh are
 * left out. Throws a UserError for a text that cannot be read, and for an object of another namespace than `-n` says.
 */
export function wantedOf(sources: readonly SourceText[], namespace: string | undefined): WantedInFile[] {
  const wanted: WantedInFile[] = [];
  for (const { name: source, text } of sources) {
    const { entries, problems } = readObjects(
      text,
      source,
      namespace === undefined ? {} : { defaultNamespace: namespace },
    );
    const [problem] = problems;
    if (problem !== undefined) throw new UserError(formatMessage(problem));
    for (const entry of entries) {
      if (entry.unused) continue;
      const { definition, key } = entry;
      if (definition === undefined || key === undefined) throw new UserError(formatMessage(entry.errors[0]!));
      checkNamespace(entry, namespace);
      const [, itsNamespace = '', name = ''] = key.split('/');
      const apiVersion = definition.apiVersions[0];
      wanted.push({ definition, apiVersion, name, namespace: itsNamespace, key, source });
    }
  }
  return wanted;
}

/** Refuses an object that is in another namespace than the one that `-n` says. */
export function checkNamespace({ definition, key }: ReadEntry, namespace: string | undefined): void {
  const own = key?.split('/')[1];
  if (namespace === undefined || own === undefined || own === namespace || !definition?.namespaced) return;
  throw new UserError(
    `the namespace from the provided object ${JSON.stringify(own)} does not match the namespace ${JSON.stringify(namespace)}. You must pass '--namespace=${own}' to perform this operation.`,
  );
}
