import {
  createFileRegistry,
  createMutableRegistry,
  type DescField,
  type DescMessage,
  type DescMethod,
  type FileRegistry,
  fromBinary,
  getOption,
  hasOption,
  type Registry,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { http } from '../../../api/gen/google/api/annotations_pb.ts';
import type { HttpRule } from '../../../api/gen/google/api/http_pb.ts';
import { messageOf } from '../../../base/errors.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { fieldByName } from './json-decoder.ts';
import type { PathMatcher } from './path-matcher.ts';

/** One way to call a method by HTTP. */
export interface TranscodedMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly clientStreaming: boolean;
  readonly serverStreaming: boolean;
  /** Fields from the request inwards to the one that the body is for; none if it is the request itself. */
  readonly bodyPath: readonly DescField[];
  /** The body is taken as it is, into a `google.api.HttpBody`; the same the other way round. */
  readonly requestIsHttpBody: boolean;
  readonly responseIsHttpBody: boolean;
  /** Fields from the response inwards to its HttpBody. */
  readonly responseBodyPath: readonly DescField[];
}

const HTTP_BODY = 'google.api.HttpBody';

/** Reads a `FileDescriptorSet`; undefined and an error if it is none. */
export function readDescriptors(bytes: Uint8Array, errors: ConfigErrors): FileRegistry | undefined {
  try {
    return createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
  } catch (error) {
    errors.add('', `cannot be read as a FileDescriptorSet: ${messageOf(error)}`);
    return undefined;
  }
}

/** For what an Any holds: types of the descriptors before those that this program has. */
export function registryOf(files: FileRegistry, own: Registry): Registry {
  return createMutableRegistry(...own, ...files);
}

/** Adds the HTTP rules of every method of the services. `autoMapping`: those without rules get `POST /service/method`. */
export function addServices(
  files: FileRegistry,
  services: readonly string[],
  autoMapping: boolean,
  matcher: PathMatcher<TranscodedMethod>,
  errors: ConfigErrors,
): void {
  services.forEach((name, i) => {
    const service = files.getService(name);
    if (service === undefined) {
      errors.at(i).add('', `the descriptors have no service ${JSON.stringify(name)}`);
      return;
    }
    for (const method of service.methods) {
      const path = `/${name}/${method.name}`;
      const rule = hasOption(method, http) ? getOption(method, http) : undefined;
      const at = errors.at(i);
      if (rule === undefined) {
        if (autoMapping) add('POST', path, transcoded(method, path, '*', '', at), matcher, at);
        continue;
      }
      for (const one of [rule, ...rule.additionalBindings]) {
        const [verb, template] = patternOf(one);
        if (verb === '') continue;
        add(verb, template, transcoded(method, path, one.body, one.responseBody, at), matcher, at);
      }
    }
  });
}

function add(
  verb: string,
  template: string,
  method: TranscodedMethod | undefined,
  matcher: PathMatcher<TranscodedMethod>,
  errors: ConfigErrors,
): void {
  if (method === undefined || matcher.add(verb, template, method)) return;
  errors.add('', `${verb} ${template} of ${method.path} is no path template, or is taken already`);
}

function patternOf({ pattern }: HttpRule): readonly [method: string, template: string] {
  if (pattern.case === undefined) return ['', ''];
  return pattern.case === 'custom'
    ? [pattern.value.kind, pattern.value.path]
    : [pattern.case.toUpperCase(), pattern.value];
}

function transcoded(
  method: DescMethod,
  path: string,
  body: string,
  responseBody: string,
  errors: ConfigErrors,
): TranscodedMethod | undefined {
  const bodyPath = body === '' || body === '*' ? [] : fieldPath(method.input, body.split('.'));
  const responseBodyPath = responseBody === '' ? [] : fieldPath(method.output, responseBody.split('.'));
  for (const found of [bodyPath, responseBodyPath]) {
    if (typeof found !== 'string') continue;
    errors.add('', `${path}: ${found}`);
    return undefined;
  }
  const fields = bodyPath as readonly DescField[];
  const responseFields = responseBodyPath as readonly DescField[];
  const last = (path: readonly DescField[], root: DescMessage) => (path.length === 0 ? root : path.at(-1)!.message);
  const responseIsHttpBody = last(responseFields, method.output)?.typeName === HTTP_BODY;
  if (responseFields.length > 0 && !responseIsHttpBody) {
    errors.add('', `${path}: response_body ${responseBody} is not supported, as it is no ${HTTP_BODY}`);
    return undefined;
  }
  return {
    path,
    input: method.input,
    output: method.output,
    clientStreaming: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    serverStreaming: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    bodyPath: fields,
    requestIsHttpBody: last(fields, method.input)?.typeName === HTTP_BODY,
    responseIsHttpBody,
    responseBodyPath: responseFields,
  };
}

/** The fields of a path of names, or what is wrong with it. */
export function fieldPath(root: DescMessage, names: readonly string[]): readonly DescField[] | string {
  const fields: DescField[] = [];
  let message = root;
  for (const [i, name] of names.entries()) {
    const field = fieldByName(message, name);
    if (field === undefined) return `Could not find field "${name}" in the type "${message.typeName}".`;
    fields.push(field);
    if (i === names.length - 1) break;
    if (field.message === undefined || field.fieldKind === 'map') {
      return `Encountered a non-leaf field "${name}" that is not a message while parsing a field path`;
    }
    message = field.message;
  }
  return fields;
}
