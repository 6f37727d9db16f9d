import { fromBinary } from '@bufbuild/protobuf';
import type { Filter } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
  type HttpFilter,
  HttpFilterSchema,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import { pack } from '../proto/any.ts';
import { matchesHttpFilter, namesHttpFilter } from './listener-match.ts';
import { editList } from './lists.ts';
import { isOfSameType, mergeExtension } from './merge.ts';
import type { ReadyPatch } from './patch-set.ts';

/** Applies patches to the HTTP filters inside of a connection manager. All of them are for it. */
export function patchHttpFilters(patches: readonly ReadyPatch[], filter: Filter): void {
  const manager = managerOf(filter);
  if (manager === undefined) return;
  for (const patch of patches) {
    manager.httpFilters = editList(HttpFilterSchema, manager.httpFilters, patch, namesHttpFilter(patch), (item) =>
      matchesHttpFilter(patch, item),
    );
  }
  for (const item of manager.httpFilters) {
    for (const patch of patches) {
      if (patch.operation !== 'MERGE' || !matchesHttpFilter(patch, item)) continue;
      if (!namesHttpFilter(patch) && !isOfSameType(item, patch.value as HttpFilter | undefined)) continue;
      mergeExtension(item, patch.value as HttpFilter | undefined);
    }
  }
  filter.configType = { case: 'typedConfig', value: pack(HttpConnectionManagerSchema, manager) };
}

/** What a filter of that name is configured with; undefined if it is something else. */
function managerOf({ configType }: Filter): HttpConnectionManager | undefined {
  if (configType.case !== 'typedConfig') return undefined;
  const { typeUrl, value } = configType.value;
  if (!typeUrl.endsWith(`/${HttpConnectionManagerSchema.typeName}`)) return undefined;
  return fromBinary(HttpConnectionManagerSchema, value);
}
