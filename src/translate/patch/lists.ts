import { type DescMessage, fromBinary, type Message, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { ReadyPatch } from './patch-set.ts';

/** A deep copy of a message. */
export function cloneOf<Desc extends DescMessage>(schema: Desc, message: Message): MessageShape<Desc> {
  return fromBinary(schema, toBinary(schema, message as MessageShape<Desc>));
}

/**
 * What the operations that add, insert, replace and remove make of a list. `named` says whether the patch's match names an
 * item; without, inserting is at the ends, and nothing is replaced or removed.
 */
export function editList<Desc extends DescMessage>(
  schema: Desc,
  list: MessageShape<Desc>[],
  { operation, value }: ReadyPatch,
  named: boolean,
  matches: (item: MessageShape<Desc>) => boolean,
): MessageShape<Desc>[] {
  const at = named ? list.findIndex(matches) : -1;
  if (operation === 'REMOVE') return named ? list.filter((item) => !matches(item)) : list;
  if (value === undefined) return list;
  const insert = (index: number) => list.toSpliced(index, 0, cloneOf(schema, value));
  switch (operation) {
    case 'ADD':
      return insert(list.length);
    case 'INSERT_FIRST':
      return insert(0);
    case 'INSERT_BEFORE':
      return named ? (at === -1 ? list : insert(at)) : insert(0);
    case 'INSERT_AFTER':
      return named ? (at === -1 ? list : insert(at + 1)) : insert(list.length);
    case 'REPLACE':
      return at === -1 ? list : list.toSpliced(at, 1, cloneOf(schema, value));
    default:
      return list;
  }
}

/** Whether a patch changes what is there, rather than add or remove. Filters have no lists to replace: of them only MERGE does. */
export function merges({ operation }: ReadyPatch): boolean {
  return operation === 'MERGE' || operation === 'MERGE_AND_REPLACE_LIST';
}
