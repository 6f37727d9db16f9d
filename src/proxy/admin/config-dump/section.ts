import type { Json } from './message-json.ts';

export type JsonObject = { [key: string]: Json };

/** One list of a section, such as `dynamic_active_clusters`, whose items are made when they are wanted. */
export interface SectionList {
  readonly field: string;
  /** Full name of the message of an item. */
  readonly itemType: string;
  items(): Iterable<NamedItem>;
}

/** An item, and the name that `name_regex` looks at. */
export interface NamedItem {
  readonly name: string;
  readonly json: JsonObject;
}

/** One of the messages that `/config_dump` consists of. */
export interface Section {
  /** Full name of the message. */
  readonly type: string;
  /** Fields that are no lists; they come first. */
  readonly fields: JsonObject;
  readonly lists: readonly SectionList[];
}

export const TYPE_PREFIX = 'type.googleapis.com/';

/** RFC 3339 with milliseconds, as timestamps of dumps are. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}
