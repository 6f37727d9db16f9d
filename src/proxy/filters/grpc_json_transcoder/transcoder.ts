import type { DescField, FileRegistry, Registry } from '@bufbuild/protobuf';
import {
  type GrpcJsonTranscoder,
  GrpcJsonTranscoder_UrlUnescapeSpec as Unescape,
} from '../../../api/gen/envoy/extensions/filters/http/grpc_json_transcoder/v3/transcoder_pb.ts';
import { registry } from '../../../api/registry.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { RouteConfigContext } from '../../http/filter.ts';
import { JsonWriter, type PrintOptions } from './json-writer.ts';
import { PathMatcher, type UnescapeSpec } from './path-matcher.ts';
import type { RequestOptions, ResolvedBinding } from './request-translator.ts';
import type { StreamFormat } from './response-translator.ts';
import { addServices, fieldPath, readDescriptors, registryOf, type TranscodedMethod } from './services.ts';

/** A call that a request stands for, or why it stands for none. */
export type Resolution =
  | { readonly kind: 'call'; readonly method: TranscodedMethod; readonly bindings: readonly ResolvedBinding[] }
  | { readonly kind: 'unknown method'; readonly message: string }
  | { readonly kind: 'unknown parameter'; readonly message: string };

/** `GrpcJsonTranscoder`, compiled. */
export interface Transcoder {
  resolve(method: string, path: string): Resolution;
  readonly request: RequestOptions;
  readonly writer: JsonWriter;
  readonly format: StreamFormat;
  readonly registry: Registry;
  readonly matchIncomingRequestRoute: boolean;
  readonly convertGrpcStatus: boolean;
  readonly rejectUnknownMethod: boolean;
  readonly rejectUnknownParameters: boolean;
  /** Bytes, or undefined for the stream's buffer limit. */
  readonly maxRequestBytes: number | undefined;
  readonly maxResponseBytes: number | undefined;
}

const UNESCAPE: Readonly<Record<number, UnescapeSpec>> = {
  [Unescape.ALL_CHARACTERS_EXCEPT_RESERVED]: 'except-reserved',
  [Unescape.ALL_CHARACTERS_EXCEPT_SLASH]: 'except-slash',
  [Unescape.ALL_CHARACTERS]: 'all',
};

/** Undefined for a configuration without services, which switches the filter off. */
export function compileTranscoder(
  proto: GrpcJsonTranscoder,
  { readData }: RouteConfigContext,
  errors: ConfigErrors,
): Transcoder | undefined {
  if (proto.descriptorSet.case === undefined) {
    errors.add('', 'proto_descriptor or proto_descriptor_bin is needed');
    return undefined;
  }
  if (proto.services.length === 0) return undefined;
  const files = descriptors(proto, readData, errors);
  if (files === undefined) return undefined;
  const matcher = new PathMatcher<TranscodedMethod>({
    unescape: UNESCAPE[proto.urlUnescapeSpec] ?? 'except-reserved',
    unescapePlus: proto.queryParamUnescapePlus,
    unregisteredVerbs: proto.matchUnregisteredCustomVerb,
    ignoredParameters: new Set(proto.ignoredQueryParameters),
  });
  addServices(files, proto.services, proto.autoMapping, matcher, errors.at('services'));
  const types = registryOf(files, registry);
  const validation = proto.requestValidationOptions;
  return {
    resolve: (method, path) => resolve(matcher, method, path, proto.ignoreUnknownQueryParameters),
    request: {
      registry: types,
      caseInsensitiveEnums: proto.caseInsensitiveEnumParsing,
      rejectCollisions: validation?.rejectBindingBodyFieldCollisions ?? false,
    },
    writer: new JsonWriter(printOptions(proto), types),
    format: proto.printOptions?.streamNewlineDelimited ? 'lines' : 'list',
    registry: types,
    matchIncomingRequestRoute: proto.matchIncomingRequestRoute,
    convertGrpcStatus: proto.convertGrpcStatus,
    rejectUnknownMethod: validation?.rejectUnknownMethod ?? false,
    rejectUnknownParameters: validation?.rejectUnknownQueryParameters ?? false,
    maxRequestBytes: proto.maxRequestBodySize,
    maxResponseBytes: proto.maxResponseBodySize,
  };
}

function descriptors(
  { descriptorSet }: GrpcJsonTranscoder,
  readData: RouteConfigContext['readData'],
  errors: ConfigErrors,
): FileRegistry | undefined {
  if (descriptorSet.case === 'protoDescriptorBin') {
    return readDescriptors(descriptorSet.value, errors.at('proto_descriptor_bin'));
  }
  const at = errors.at('proto_descriptor');
  const bytes = readData(
    {
      $typeName: 'envoy.config.core.v3.DataSource',
      specifier: { case: 'filename', value: descriptorSet.value ?? '' },
    },
    at,
  );
  return bytes && readDescriptors(bytes, at);
}

function printOptions({ printOptions: proto }: GrpcJsonTranscoder): PrintOptions {
  return {
    addWhitespace: proto?.addWhitespace ?? false,
    alwaysPrintPrimitiveFields: proto?.alwaysPrintPrimitiveFields ?? false,
    alwaysPrintEnumsAsInts: proto?.alwaysPrintEnumsAsInts ?? false,
    preserveProtoFieldNames: proto?.preserveProtoFieldNames ?? false,
  };
}

function resolve(
  matcher: PathMatcher<TranscodedMethod>,
  httpMethod: string,
  path: string,
  ignoreUnknown: boolean,
): Resolution {
  const match = matcher.match(httpMethod, path);
  if (match === undefined) {
    const [name] = path.split('?', 1);
    return { kind: 'unknown method', message: `Could not resolve ${name} to a method.` };
  }
  const bindings: ResolvedBinding[] = [];
  for (const { fieldPath: names, value } of match.bindings) {
    const fields: readonly DescField[] | string = fieldPath(match.target.input, names);
    if (typeof fields !== 'string') bindings.push({ fields, value });
    else if (!ignoreUnknown) return { kind: 'unknown parameter', message: fields };
  }
  return { kind: 'call', method: match.target, bindings };
}
