import type { JsonObject } from '@bufbuild/protobuf';
import type { Metadata as ProtoMetadata } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { type Metadata, NO_METADATA } from './host.ts';

/** Metadata as it is kept: structs by the names of filters. */
export function metadataOf(metadata: ProtoMetadata | undefined): Metadata {
  if (metadata === undefined) return NO_METADATA;
  const entries = Object.entries(metadata.filterMetadata);
  return entries.length === 0 ? NO_METADATA : new Map(entries as [string, JsonObject][]);
}
