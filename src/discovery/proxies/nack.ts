import { formatLocation, type SourceLocation } from '../../base/errors.ts';
import type { Nack } from '../../xds/server/served-type.ts';
import { ProxyView } from './proxy-view.ts';
import { shortType } from './type-names.ts';

/** A resource of a refused response, and the places in people's files that it came from. */
export interface RejectedResource {
  readonly name: string;
  readonly origin: readonly SourceLocation[];
}

/** A refusal, as it is kept and shown. */
export interface RecordedNack {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Id of the proxy: `NAME.NAMESPACE`. */
  readonly proxy: string;
  readonly connectionId: string;
  readonly typeUrl: string;
  readonly snapshot: number;
  readonly nonce: string;
  readonly code: number;
  readonly message: string;
  /** Those that the message names; if it names none, all of the response, up to {@link MAX_SUSPECTS}. */
  readonly resources: readonly RejectedResource[];
}

const MAX_SUSPECTS = 20;
const MAX_PLACES = 4;
/** Like Envoy, which cuts them as well; a proxy may be anyone. */
const MAX_MESSAGE = 4096;

export function recordNack(nack: Nack, at: number, proxy: string, connectionId: string): RecordedNack {
  const { typeUrl, snapshot, nonce, code, names, view } = nack;
  const message = nack.message.slice(0, MAX_MESSAGE);
  const named = names.filter((name) => name !== '' && mentions(message, name));
  const suspects = (named.length > 0 ? named : names).slice(0, MAX_SUSPECTS);
  const originOf = (name: string) => (view instanceof ProxyView ? (view.get(typeUrl, name)?.origin ?? []) : []);
  const resources = suspects.map((name) => ({ name, origin: originOf(name) }));
  return { at, proxy, connectionId, typeUrl, snapshot, nonce, code, message, resources };
}

/** Whether a text has a name in it, and not merely a longer name that begins or ends with it. */
function mentions(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1)) {
    const before = text[at - 1] ?? ' ';
    const after = text[at + name.length] ?? ' ';
    if (!/[\w|-]/.test(before) && !/[\w|-]/.test(after)) return true;
  }
  return false;
}

/** One sentence for people: who refused what, why, and where it comes from. */
export function describeNack({ proxy, typeUrl, resources, message }: RecordedNack): string {
  const names = resources.map(({ name }) => name).join(', ');
  const places = placesOf(resources);
  const shown = places.slice(0, MAX_PLACES);
  const more = places.length > shown.length ? ` and ${places.length - shown.length} more` : '';
  const from = shown.length > 0 ? ` (from ${shown.join(', ')}${more})` : '';
  return `${proxy} rejected ${shortType(typeUrl)} ${names}${from}: ${message}`;
}

/** Each place once: first the foremost of every resource, then the others. */
function placesOf(resources: readonly RejectedResource[]): string[] {
  const foremost = resources.flatMap(({ origin }) => origin.slice(0, 1));
  const others = resources.flatMap(({ origin }) => origin.slice(1));
  return [...new Set([...foremost, ...others].map(formatLocation))];
}
