import { formatMessage } from '../../../src/config/message.ts';
import { type ConfigObject, objectKey } from '../../../src/config/object.ts';
import { readObjects } from '../../../src/config/read.ts';
import type { ConfigSnapshot } from '../../../src/config/store/snapshot.ts';

/** Objects of YAML texts, by file name. Throws on the first that is refused. */
export function readTexts(files: Readonly<Record<string, string>>): ConfigObject[] {
  return Object.entries(files).flatMap(([file, text]) => {
    const { entries, problems } = readObjects(text, file);
    for (const message of [...problems, ...entries.flatMap((entry) => entry.errors)]) {
      throw new Error(formatMessage(message));
    }
    return entries.flatMap((entry) => (entry.object ? [entry.object] : []));
  });
}

/** A snapshot of these objects. */
export function snapshotOf(objects: readonly ConfigObject[], number = 1): ConfigSnapshot {
  const byKind = new Map<string, ConfigObject[]>();
  const byKey = new Map<string, ConfigObject>();
  for (const object of objects) {
    const { namespace, name } = object.metadata;
    byKey.set(objectKey(object.kind, namespace, name), object);
    const list = byKind.get(object.kind);
    if (list) list.push(object);
    else byKind.set(object.kind, [object]);
  }
  for (const list of byKind.values()) {
    list.sort(
      ({ metadata: a }, { metadata: b }) =>
        a.creationTimestamp - b.creationTimestamp || compare(a.name, b.name) || compare(a.namespace, b.namespace),
    );
  }
  const snapshot = {
    number,
    get: (kind: string, namespace: string, name: string) => byKey.get(objectKey(kind, namespace, name)),
    list: (kind: string, namespace?: string) => {
      const list = byKind.get(kind) ?? [];
      return namespace === undefined ? list : list.filter((object) => object.metadata.namespace === namespace);
    },
    size: objects.length,
    rejected: [],
    warnings: [],
  };
  return snapshot as unknown as ConfigSnapshot;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
