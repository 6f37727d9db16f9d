import type { MetadataKey, MetadataKind } from '../../../api/gen/envoy/type/metadata/v3/metadata_pb.ts';
import type { CustomTag as Proto } from '../../../api/gen/envoy/type/tracing/v3/custom_tag_pb.ts';
import { messageOf } from '../../../base/errors.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { compileFormat } from '../format/format.ts';
import type { StreamInfo } from '../stream-info.ts';

/** A tag that a configuration gives to spans. */
export interface CustomTag {
  readonly name: string;
  /** Empty for none. */
  value(info: StreamInfo): string;
}

/** `envoy.type.tracing.v3.CustomTag`, sorted by name, of which each counts once. */
export function customTags(protos: readonly Proto[], errors: ConfigErrors): readonly CustomTag[] {
  const tags = new Map<string, CustomTag>();
  protos.forEach((proto, i) => {
    const at = errors.at(i);
    if (proto.tag === '') at.add('tag', 'must not be empty');
    const value = compile(proto, at);
    if (value !== undefined) tags.set(proto.tag, { name: proto.tag, value });
  });
  return [...tags.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function compile({ type }: Proto, errors: ConfigErrors): CustomTag['value'] | undefined {
  switch (type.case) {
    case 'literal': {
      const { value } = type.value;
      return () => value;
    }
    case 'environment': {
      const value = process.env[type.value.name] ?? type.value.defaultValue;
      return () => value;
    }
    case 'requestHeader': {
      const name = type.value.name.toLowerCase();
      const { defaultValue } = type.value;
      if (name === '') errors.add('request_header.name', 'must not be empty');
      return ({ requestHeaders }) => requestHeaders?.get(name) ?? defaultValue;
    }
    case 'metadata': {
      const { kind, metadataKey, defaultValue } = type.value;
      const find = metadataValue(kind, metadataKey);
      return (info) => textOf(find(info)) ?? defaultValue;
    }
    case 'value':
      return formatted(type.value, errors.at('value'));
    default:
      errors.add('', 'literal, environment, request_header, metadata or value is needed');
      return undefined;
  }
}

/** A command line as in access logs; a tag whose line has nothing to say is left out. */
function formatted(line: string, errors: ConfigErrors): CustomTag['value'] | undefined {
  try {
    const format = compileFormat(line);
    return (info) => format.render(info, '');
  } catch (error) {
    errors.add('', messageOf(error));
    return undefined;
  }
}

function metadataValue(kind: MetadataKind | undefined, key: MetadataKey | undefined): (info: StreamInfo) => unknown {
  const namespace = key?.key ?? '';
  const path = (key?.path ?? []).map(({ segment }) => segment.value ?? '');
  const source = sourceOf(kind?.kind.case);
  return (info) => {
    let value: unknown = source(info)?.get(namespace);
    for (const step of path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
      value = (value as Record<string, unknown>)[step];
    }
    return value;
  };
}

type Source = (info: StreamInfo) => ReadonlyMap<string, unknown> | undefined;

function sourceOf(kind: MetadataKind['kind']['case']): Source {
  switch (kind) {
    case 'route':
      return (info) => info.routeMetadata;
    case 'cluster':
      return (info) => info.clusterMetadata;
    case 'host':
      return (info) => info.upstreamHost?.description.metadata;
    default:
      return (info) => info.dynamicMetadata;
  }
}

/** A tag is text: what is a list or a struct is told as JSON. */
function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
