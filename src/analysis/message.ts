import type { SourceLocation } from '../base/errors.ts';
import { type FieldPath, formatPath } from '../config/object.ts';
import { type Level, MESSAGE_TYPES, type MessageCode } from './message-types.ts';
import { fullName, type Resource } from './resource.ts';

/** What takes the place of `%s`, `%v`, `%d` or `%q`. */
export type Parameter = string | number | readonly string[] | readonly number[];

/** One finding of an analyzer. */
export interface Message {
  readonly code: MessageCode;
  readonly level: Level;
  readonly text: string;
  readonly resource: Resource;
  /** The field that it is about, such as `spec.gateways[0]`, or undefined when it is about the resource. */
  readonly field: string | undefined;
  /** Where the field stands, or else the resource; undefined for what no file has. */
  readonly at: SourceLocation | undefined;
}

/** A field whose place is already known. */
export interface KnownPlace {
  readonly field?: string | undefined;
  readonly at: SourceLocation;
}

export function createMessage(
  code: MessageCode,
  resource: Resource,
  parameters: readonly Parameter[] = [],
  place?: FieldPath | KnownPlace,
): Message {
  const { level, template } = MESSAGE_TYPES[code];
  const text = formatTemplate(template, parameters);
  if (place !== undefined && 'at' in place && !Array.isArray(place)) {
    const { field, at } = place as KnownPlace;
    return { code, level, text, resource, field, at };
  }
  const path = place as FieldPath | undefined;
  const field = path === undefined ? undefined : formatPath(path);
  return { code, level, text, resource, field, at: (path && resource.find(path)) ?? resource.at };
}

/** Fills in a template as Go's fmt.Sprintf does for the verbs that occur in templates. */
export function formatTemplate(template: string, parameters: readonly Parameter[]): string {
  let next = 0;
  return template.replace(/%[svdq]/g, (verb) => {
    const parameter = parameters[next++];
    if (parameter === undefined) throw new Error(`no parameter for ${verb} number ${next} of ${template}`);
    const write = (value: string | number) => (verb === '%q' ? JSON.stringify(value) : String(value));
    return typeof parameter === 'object' ? `[${parameter.map(write).join(' ')}]` : write(parameter);
  });
}

/** `VirtualService default/web`, by which `--suppress` knows the resource of a message. */
export function originOf({ resource }: Message): string {
  return `${resource.kind} ${fullName(resource)}`;
}

/** `web.yaml:12`, or undefined for what no file has. */
export function referenceOf({ at }: Message): string | undefined {
  if (at === undefined) return undefined;
  return at.line === undefined ? at.file : `${at.file}:${at.line}`;
}

const COLORS: Readonly<Record<Level, string>> = { Info: '', Warning: '\u001b[33m', Error: '\u001b[1;31m' };

/** `Error [IST0101] (VirtualService default/web web.yaml:12) Referenced gateway not found: "edge"` */
export function formatMessage(message: Message, color = false): string {
  const reference = referenceOf(message);
  const level = color ? `${COLORS[message.level]}${message.level}\u001b[0m` : message.level;
  const origin = reference === undefined ? originOf(message) : `${originOf(message)} ${reference}`;
  return `${level} [${message.code}] (${origin}) ${message.text}`;
}

/** The order of istioctl: the worst first, then by code, kind, name, namespace and text; what is said twice is said once. */
export function sortMessages(messages: readonly Message[]): Message[] {
  const keyed = messages.map((message) => {
    const { kind, name, namespace } = message.resource;
    return {
      message,
      line: formatMessage(message),
      key: [-levelRank(message.level), message.code, kind, name, namespace] as const,
    };
  });
  keyed.sort((a, b) => compareKeys([...a.key, a.line], [...b.key, b.line]));
  return keyed.filter(({ line }, i) => i === 0 || keyed[i - 1]!.line !== line).map(({ message }) => message);
}

/** How severe a level is, from 0. */
export function levelRank(level: Level): number {
  return level === 'Error' ? 2 : level === 'Warning' ? 1 : 0;
}

function compareKeys(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  for (let i = 0; i < a.length; i++) {
    if (a[i]! < b[i]!) return -1;
    if (a[i]! > b[i]!) return 1;
  }
  return 0;
}
