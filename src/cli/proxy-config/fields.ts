import { isList, isMap, isMessage, type Message, type Printable } from '../output/json.ts';

/** What stands at a path of field names in a message; undefined where a step is not there. Keys of maps are steps, too. */
export function valueAt(message: Printable | undefined, ...path: readonly string[]): Printable | undefined {
  let value = message;
  for (const step of path) {
    if (value === undefined || value === null) return undefined;
    if (isMap(value)) value = value.get(step);
    else if (isMessage(value)) value = Object.hasOwn(value, step) ? value[step] : undefined;
    else return undefined;
  }
  return value;
}

export function messageAt(message: Printable | undefined, ...path: readonly string[]): Message | undefined {
  const value = valueAt(message, ...path);
  return value !== undefined && isMessage(value) ? value : undefined;
}

/** Empty where there is none, as an absent string of protobuf is. */
export function textAt(message: Printable | undefined, ...path: readonly string[]): string {
  const value = valueAt(message, ...path);
  return typeof value === 'string' ? value : '';
}

export function numberAt(message: Printable | undefined, ...path: readonly string[]): number {
  const value = valueAt(message, ...path);
  return typeof value === 'number' ? value : 0;
}

export function messagesAt(message: Printable | undefined, ...path: readonly string[]): readonly Message[] {
  const value = valueAt(message, ...path);
  return value !== undefined && isList(value) ? value.filter(isMessage) : [];
}

export function textsAt(message: Printable | undefined, ...path: readonly string[]): readonly string[] {
  const value = valueAt(message, ...path);
  return value !== undefined && isList(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** What an Any holds, without its type. */
export function unpacked(any: Message): Message {
  const { '@type': _, ...message } = any;
  return message;
}
