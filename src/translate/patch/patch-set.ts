import { type DescMessage, fromJson, type JsonValue, type Message } from '@bufbuild/protobuf';
import { ClusterSchema } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { TypedExtensionConfigSchema } from '../../api/gen/envoy/config/core/v3/extension_pb.ts';
import {
  FilterChainSchema,
  FilterSchema,
  ListenerFilterSchema,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { RouteSchema, VirtualHostSchema } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { RouteConfigurationSchema } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import { HttpFilterSchema } from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import { registry } from '../../api/registry.ts';
import type { ConfigPatch, ListenerMatch, RouteConfigurationMatch } from '../../config/kinds/envoy-filter/schema.ts';
import { perObject } from '../../registry/reuse.ts';
import type { Patch } from '../index/envoy-filters.ts';
import { Memo } from '../memo.ts';

/** Which listeners, routes or clusters of a proxy are being patched (EnvoyFilter `match.context`). */
export type PatchContext = 'SIDECAR_INBOUND' | 'SIDECAR_OUTBOUND' | 'GATEWAY';

/** What patches apply to, and the message that each changes. */
const TARGETS = {
  LISTENER: ListenerSchema,
  LISTENER_FILTER: ListenerFilterSchema,
  FILTER_CHAIN: FilterChainSchema,
  NETWORK_FILTER: FilterSchema,
  HTTP_FILTER: HttpFilterSchema,
  ROUTE_CONFIGURATION: RouteConfigurationSchema,
  VIRTUAL_HOST: VirtualHostSchema,
  HTTP_ROUTE: RouteSchema,
  CLUSTER: ClusterSchema,
  EXTENSION_CONFIG: TypedExtensionConfigSchema,
} as const;
export type PatchTarget = keyof typeof TARGETS;

type Operation = NonNullable<NonNullable<ConfigPatch['patch']>['operation']>;

/** A patch made ready. */
export interface ReadyPatch {
  readonly patch: Patch;
  readonly operation: Operation;
  readonly listener: ListenerMatch | undefined;
  readonly route: RouteConfigurationMatch | undefined;
  readonly cluster: NonNullable<ConfigPatch['match']>['cluster'];
  /** The match names a context. Without one, what is added is added once, on the outbound side. */
  readonly anyContext: boolean;
  /** Undefined if the patch has none, or one that is not of the type that it applies to. */
  readonly value: Message | undefined;
}

const NONE: readonly ReadyPatch[] = [];

/** The patches of all EnvoyFilters for a proxy, in the order in which they apply. */
export class PatchSet {
  readonly #patches: readonly Patch[];
  readonly #byTarget = new Map<string, readonly ReadyPatch[]>();

  private constructor(patches: readonly Patch[]) {
    this.#patches = patches;
  }

  static readonly #known = new Memo<PatchSet>();

  /** The same set for the same patches. */
  static of(patches: readonly Patch[]): PatchSet {
    return PatchSet.#known.get(patches, '', () => new PatchSet(patches));
  }

  for(target: PatchTarget, context: PatchContext): readonly ReadyPatch[] {
    if (this.#patches.length === 0) return NONE;
    const key = `${target} ${context}`;
    let ready = this.#byTarget.get(key);
    if (ready === undefined) {
      ready = this.#patches
        .filter(({ spec }) => spec.applyTo === target && isFor(spec, context))
        .map((patch) => readyPatch(patch));
      this.#byTarget.set(key, ready);
    }
    return ready;
  }

  hasAny(targets: readonly PatchTarget[], context: PatchContext): boolean {
    return targets.some((target) => this.for(target, context).length > 0);
  }
}

function isFor({ match }: ConfigPatch, context: PatchContext): boolean {
  const wanted = match?.context ?? 'ANY';
  return wanted === 'ANY' || wanted === context;
}

const readyPatch = perObject((patch: Patch): ReadyPatch => {
  const { applyTo, match, patch: change } = patch.spec;
  const target = applyTo as PatchTarget;
  return {
    patch,
    operation: operationOf(target, change?.operation ?? 'INVALID'),
    listener: match?.listener,
    route: match?.routeConfiguration,
    cluster: match?.cluster,
    anyContext: (match?.context ?? 'ANY') === 'ANY',
    value: change?.value === undefined ? undefined : readValue(TARGETS[target], change.value as JsonValue),
  };
});

/** Where there is no order to insert into, inserting is adding. */
function operationOf(target: PatchTarget, operation: Operation): Operation {
  const inserts = operation === 'INSERT_BEFORE' || operation === 'INSERT_AFTER' || operation === 'INSERT_FIRST';
  const ordered =
    target === 'HTTP_FILTER' || target === 'NETWORK_FILTER' || target === 'HTTP_ROUTE' || target === 'LISTENER_FILTER';
  return inserts && !ordered ? 'ADD' : operation;
}

/** The message that people wrote as YAML. Fields of other versions of Envoy are passed over, as istiod does. */
function readValue(schema: DescMessage, json: JsonValue): Message | undefined {
  try {
    return fromJson(schema, json, { registry, ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}
