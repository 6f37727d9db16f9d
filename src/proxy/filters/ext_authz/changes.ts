import {
  HeaderValueOption_HeaderAppendAction as Action,
  type HeaderValueOption,
} from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import { wireForm } from '../../../base/bytes.ts';
import type { Headers } from '../../../wire/headers.ts';

/** One header that an authorizer wants a message to have. */
export interface HeaderChange {
  /** Lower-case; `:authority` for Host. */
  readonly name: string;
  /** In its wire form. */
  readonly value: string;
  /** `append`: joined to the one that is there, and not added if there is none. */
  readonly how: 'set' | 'add' | 'add-if-absent' | 'append' | 'overwrite-if-exists';
}

/** A change of the request as a gRPC authorizer describes it. Envoy 1.40 looks at nothing but `append` there. */
export function requestChange(option: HeaderValueOption): HeaderChange {
  return changeOf(option, option.append ? 'append' : 'set');
}

/** A header of the answer to a request that is denied; undefined for one to append, which Envoy 1.40 leaves out. */
export function denialChange(option: HeaderValueOption): HeaderChange | undefined {
  return option.append ? undefined : changeOf(option, 'add');
}

/** A change of the response to a request that is let pass. */
export function responseChange(option: HeaderValueOption): HeaderChange {
  if (option.append !== undefined) return changeOf(option, option.append ? 'add' : 'set');
  switch (option.appendAction) {
    case Action.APPEND_IF_EXISTS_OR_ADD:
      return changeOf(option, 'add');
    case Action.ADD_IF_ABSENT:
      return changeOf(option, 'add-if-absent');
    case Action.OVERWRITE_IF_EXISTS:
      return changeOf(option, 'overwrite-if-exists');
    default:
      return changeOf(option, 'set');
  }
}

function changeOf({ header }: HeaderValueOption, how: HeaderChange['how']): HeaderChange {
  const { key = '', value = '', rawValue } = header ?? {};
  const name = key.toLowerCase();
  const bytes = value === '' && rawValue !== undefined ? rawValue : Buffer.from(value, 'utf8');
  return { name: name === 'host' ? ':authority' : name, value: Buffer.from(bytes).toString('latin1'), how };
}

/** Makes the changes, in order. */
export function applyChanges(changes: readonly HeaderChange[], headers: Headers): void {
  for (const { name, value, how } of changes) {
    const pseudo = name.startsWith(':');
    if (how === 'set' || (pseudo && how === 'add')) headers.set(name, value);
    else if (how === 'add') headers.add(name, value);
    else if (how === 'append') {
      if (!pseudo && headers.has(name)) headers.append(name, value);
    } else if (headers.has(name) === (how === 'overwrite-if-exists')) headers.set(name, value);
  }
}

const PSEUDO: ReadonlySet<string> = new Set([':authority', ':path', ':method', ':scheme']);
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const VALUE = /^[^\0\r\n]*$/;

/** Whether a header may go on a wire: one that is not would end the message, or begin another. */
export function isValidChange({ name, value }: HeaderChange): boolean {
  return (PSEUDO.has(name) || NAME.test(name)) && VALUE.test(value);
}

/** Takes headers off a request; those that it cannot be without stay. */
export function removeHeaders(names: readonly string[], headers: Headers): void {
  for (const name of names) {
    const lower = name.toLowerCase();
    if (lower !== 'host' && !lower.startsWith(':')) headers.remove(lower);
  }
}

/** The path with parameters set and removed. The query is written anew, in the order of names. */
export function changeQuery(
  path: string,
  set: readonly (readonly [string, string])[],
  remove: readonly string[],
): string {
  const start = path.indexOf('?');
  const parameters = new Map<string, string[]>();
  for (const pair of start < 0 ? [] : path.slice(start + 1).split('&')) {
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    const value = equals < 0 ? '' : pair.slice(equals + 1);
    parameters.set(name, [...(parameters.get(name) ?? []), value]);
  }
  for (const [name, value] of set) parameters.set(wireForm(name), [wireForm(value)]);
  for (const name of remove) parameters.delete(wireForm(name));
  const pairs = [...parameters]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, values]) => values.map((value) => `${name}=${value}`));
  return (start < 0 ? path : path.slice(0, start)) + (pairs.length === 0 ? '' : `?${pairs.join('&')}`);
}
