import { formatLocation } from '../base/errors.ts';
import type { ObjectState } from '../config/control/api.ts';
import { objectKey } from '../config/object.ts';
import { analyze } from './analyze.ts';
import { type Message, originOf } from './message.ts';
import { isIstioCode, type MessageCode } from './message-types.ts';
import type { TextOf } from './places.ts';
import { REMEDIES } from './remedies.ts';
import { fullName, type Resource } from './resource.ts';
import { readRunningState } from './running.ts';

/** What reading objects finds: whoever took them over has told it already, by refusing them or as a warning. */
const OF_READING: ReadonlySet<MessageCode> = new Set(['IST0106', 'IST0130', 'IST0133', 'ISTH0001', 'ISTH0008']);

/** Messages that each of several objects gets about the others. */
const MUTUAL: ReadonlySet<MessageCode> = new Set(['IST0138', 'IST0145']);

/**
 * What does not fit together in a running mesh, about the resources that are `wanted`: errors and warnings, each thing
 * once. What only follows from another finding is left out, and of objects that are in each other's way the youngest one
 * is told of. `isthmus analyze` tells everything, as istioctl does.
 */
export function findingsIn(
  objects: readonly ObjectState[],
  textOf: TextOf,
  wanted: (resource: Resource) => boolean = () => true,
): Message[] {
  const { options } = readRunningState(objects, [], undefined, textOf);
  const ages = new Map((options.underlay ?? []).map((resource, i) => [resource, i]));
  const messages = analyze([], options).filter(
    ({ code, level, resource }) => level !== 'Info' && !OF_READING.has(code) && wanted(resource),
  );
  const isYounger = (a: Message, b: Message) => (ages.get(a.resource) ?? -1) > (ages.get(b.resource) ?? -1);
  return messages.filter(
    (message) => !messages.some((other) => other !== message && covers(other, message, isYounger)),
  );
}

/** Whether somebody who has read one message has nothing to learn from another. */
function covers(one: Message, other: Message, isYounger: (a: Message, b: Message) => boolean): boolean {
  if (one.code === other.code) {
    const isMutual = one.text === other.text || (MUTUAL.has(one.code) && one.text.includes(fullName(other.resource)));
    return isMutual && one.resource !== other.resource && isYounger(one, other);
  }
  if (one.code === 'ISTH0003' && other.code === 'IST0161') {
    return one.text.includes(` Gateway ${fullName(other.resource)} `);
  }
  if (one.resource !== other.resource || !isWithin(one.field, other.field)) return false;
  return (one.level === 'Error' && other.level === 'Warning') || (!isIstioCode(one.code) && isIstioCode(other.code));
}

/** Whether a field is another one, or below it. */
function isWithin(field: string | undefined, other: string | undefined): boolean {
  if (field === undefined || other === undefined) return false;
  return field === other || field.startsWith(`${other}.`) || field.startsWith(`${other}[`);
}

/** `web.yaml:8:40: VirtualService/default/web: spec.gateways[0]: [IST0101] Referenced gateway not found: "edge"` */
export function summarize(message: Message): string {
  const { at, code, field, resource, text } = message;
  const { id, namespace, name } = resource;
  const place = at === undefined ? originOf(message) : `${formatLocation(at)}: ${objectKey(id, namespace, name)}`;
  return `${place}: ${field === undefined ? '' : `${field}: `}[${code}] ${text}`;
}

/** A summary, and what to do: `... not found: "edge". Create it, or correct the name.` */
export function describeFinding(message: Message): string {
  const remedy = REMEDIES[message.code];
  return remedy === undefined ? summarize(message) : `${summarize(message).replace(/\.$/, '')}. ${remedy}.`;
}
