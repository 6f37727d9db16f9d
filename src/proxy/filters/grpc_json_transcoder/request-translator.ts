import { create, type DescField, type DescMessage, type Message, toBinary } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { encodeMessage } from '../../../wire/grpc/framing.ts';
import { type DecodeOptions, JsonDecoder, newMessage } from './json-decoder.ts';
import { JsonElements } from './json-elements.ts';
import { JsonMembers, JsonNumber, type JsonTree, parseJson, TranscodeError } from './json-reader.ts';
import type { TranscodedMethod } from './services.ts';

/** A value of the path or the query, and the fields that lead to the one it is for. */
export interface ResolvedBinding {
  readonly fields: readonly DescField[];
  readonly value: string;
}

export interface RequestOptions extends DecodeOptions {
  /** A body that says something else about a field than path or query do is refused (`reject_binding_body_field_collisions`). */
  readonly rejectCollisions: boolean;
}

/** Makes the messages of a gRPC request out of the body, the path and the query of one of HTTP. */
export interface RequestTranslator {
  /** Takes a piece of the body and returns what can be sent, which may be nothing. Throws a {@link TranscodeError}. */
  translate(chunk: Uint8Array, end: boolean): Uint8Array;
  /** Bytes that wait for more. */
  readonly waiting: number;
}

const EMPTY = new Uint8Array(0);
const NO_MEMBERS = new JsonMembers([]);

/** `contentType` is for a body that is taken as it is. */
export function requestTranslator(
  method: TranscodedMethod,
  bindings: readonly ResolvedBinding[],
  contentType: string,
  options: RequestOptions,
): RequestTranslator {
  if (method.requestIsHttpBody) return new HttpBodyTranslator(method, bindings, contentType, options);
  return method.clientStreaming
    ? new StreamTranslator(method, bindings, options)
    : new UnaryTranslator(method, bindings, options);
}

/** One message, when the body is there whole. */
class UnaryTranslator implements RequestTranslator {
  readonly #method: TranscodedMethod;
  readonly #bindings: readonly ResolvedBinding[];
  readonly #options: RequestOptions;
  readonly #chunks: Uint8Array[] = [];
  waiting = 0;

  constructor(method: TranscodedMethod, bindings: readonly ResolvedBinding[], options: RequestOptions) {
    this.#method = method;
    this.#bindings = bindings;
    this.#options = options;
  }

  translate(chunk: Uint8Array, end: boolean): Uint8Array {
    if (chunk.length > 0) this.#chunks.push(chunk);
    this.waiting += chunk.length;
    if (!end) return EMPTY;
    const body = Buffer.concat(this.#chunks);
    const { input, bodyPath } = this.#method;
    const tree = within(bodyPath, body.length === 0 ? NO_MEMBERS : parseJson(textOf(body)));
    return encodeMessage(requestMessage(input, tree, this.#bindings, this.#options));
  }
}

/** A message for each element of a list; what path and query say goes with the first. */
class StreamTranslator implements RequestTranslator {
  readonly #method: TranscodedMethod;
  readonly #options: RequestOptions;
  readonly #elements = new JsonElements();
  #bindings: readonly ResolvedBinding[];

  constructor(method: TranscodedMethod, bindings: readonly ResolvedBinding[], options: RequestOptions) {
    this.#method = method;
    this.#bindings = bindings;
    this.#options = options;
  }

  get waiting(): number {
    return this.#elements.waiting;
  }

  translate(chunk: Uint8Array, end: boolean): Uint8Array {
    const { input, bodyPath } = this.#method;
    const messages: Uint8Array[] = [];
    this.#elements.receive(chunk, end, (element) => {
      const tree = within(bodyPath, parseJson(textOf(element)));
      messages.push(encodeMessage(requestMessage(input, tree, this.#bindings, this.#options)));
      this.#bindings = [];
    });
    return messages.length === 1 ? messages[0] : Buffer.concat(messages);
  }
}

/** The body as it is, in one message, or in a message for each piece of it if the method takes a stream. */
class HttpBodyTranslator implements RequestTranslator {
  readonly #method: TranscodedMethod;
  readonly #contentType: string;
  readonly #options: RequestOptions;
  readonly #chunks: Uint8Array[] = [];
  #bindings: readonly ResolvedBinding[];
  #first = true;
  waiting = 0;

  constructor(
    method: TranscodedMethod,
    bindings: readonly ResolvedBinding[],
    contentType: string,
    options: RequestOptions,
  ) {
    this.#method = method;
    this.#bindings = bindings;
    this.#contentType = contentType;
    this.#options = options;
  }

  translate(chunk: Uint8Array, end: boolean): Uint8Array {
    const { clientStreaming, input, bodyPath } = this.#method;
    if (chunk.length > 0) this.#chunks.push(chunk);
    this.waiting += chunk.length;
    const due = clientStreaming ? this.#first || chunk.length > 0 : end;
    if (!due) return EMPTY;
    const message = create(input);
    let target = reflect(input, message);
    for (const field of bodyPath) target = nestedOf(target, field);
    if (this.#first) setNamed(target, 'content_type', this.#contentType);
    setNamed(target, 'data', new Uint8Array(Buffer.concat(this.#chunks)));
    this.#chunks.length = 0;
    this.waiting = 0;
    applyBindings(input, message, this.#bindings, NO_MEMBERS, this.#options);
    this.#bindings = [];
    this.#first = false;
    return encodeMessage(toBinary(input, message));
  }
}

function setNamed(message: ReflectMessage, name: string, value: unknown): void {
  const field = message.fields.find((f) => f.name === name);
  if (field !== undefined) message.set(field, value);
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new TranscodeError('Encountered non UTF-8 code points.');
  }
}

/** The value in the field that the body is for. */
function within(path: readonly DescField[], tree: JsonTree): JsonTree {
  return path.reduceRight<JsonTree>((inner, field) => new JsonMembers([[field.name, inner]]), tree);
}

function requestMessage(
  schema: DescMessage,
  tree: JsonTree,
  bindings: readonly ResolvedBinding[],
  options: RequestOptions,
): Uint8Array {
  const message = create(schema);
  new JsonDecoder(options).decode(schema, tree, message);
  applyBindings(schema, message, bindings, tree, options);
  return toBinary(schema, message);
}

/** What path and query say stands only where the body said nothing; repeated fields take it all. */
function applyBindings(
  schema: DescMessage,
  message: Message,
  bindings: readonly ResolvedBinding[],
  body: JsonTree,
  options: RequestOptions,
): void {
  const given = new Set<string>();
  let collision: string | undefined;
  const elements = new Map<DescField, ReflectMessage>();
  for (const { fields, value } of bindings) {
    const field = fields.at(-1)!;
    const names = fields.map((f) => f.name).join('.');
    let target = reflect(schema, message);
    if (field.fieldKind !== 'list' && !given.has(names)) {
      const said = valueAt(body, fields);
      if (said !== undefined && said !== null) {
        if (options.rejectCollisions) collision = collisionOf(field, names, value, said, options) ?? collision;
        continue;
      }
    }
    given.add(names);
    for (const step of fields.slice(0, -1))
      target = step.fieldKind === 'list' ? elementOf(target, step, elements) : nestedOf(target, step);
    new JsonDecoder(options).decodeText(target, field, value, names);
  }
  if (collision !== undefined) throw new TranscodeError(collision);
}

/** The message in a field, which comes to be if it was not there. */
function nestedOf(message: ReflectMessage, field: DescField): ReflectMessage {
  if (!message.isSet(field)) message.set(field, newMessage(field.message!));
  return message.get(field) as ReflectMessage;
}

/** All that path and query say of a repeated message goes into one more of them. */
function elementOf(
  message: ReflectMessage,
  field: DescField & { fieldKind: 'list' },
  elements: Map<DescField, ReflectMessage>,
): ReflectMessage {
  let element = elements.get(field);
  if (element === undefined) {
    element = newMessage(field.message!);
    elements.set(field, element);
    message.get(field).add(element);
  }
  return element;
}

function valueAt(tree: JsonTree, fields: readonly DescField[]): JsonTree | undefined {
  let at: JsonTree | undefined = tree;
  for (const { name, jsonName } of fields) {
    if (!(at instanceof JsonMembers)) return undefined;
    at = at.entries.find(([key]) => key === name || key === jsonName)?.[1];
  }
  return at;
}

function collisionOf(
  field: DescField,
  names: string,
  value: string,
  said: JsonTree,
  options: RequestOptions,
): string | undefined {
  const read = (tree: JsonTree) => {
    const holder = newMessage(field.parent!);
    new JsonDecoder(options).decode(field.parent!, new JsonMembers([[field.name, tree]]), holder.message);
    return holder.get(field);
  };
  if (read(value) === read(said)) return undefined;
  const shown = said instanceof JsonNumber ? said.text : String(said);
  return `The binding value "${value}" of the field ${names} is conflicting with the value "${shown}" in the body.`;
}
