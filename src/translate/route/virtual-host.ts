import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  type VirtualHost,
  VirtualHost_TlsRequirementType,
  VirtualHostSchema,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { idOf, Memo } from '../memo.ts';
import { concat } from '../proto/wire.ts';
import type { RouteGroup } from './route-group.ts';

/** A virtual host before it is encoded. */
export interface VirtualHostSpec {
  readonly name: string;
  readonly domains: readonly string[];
  /** In the order in which they are tried. */
  readonly groups: readonly RouteGroup[];
  readonly includeRequestAttemptCount: boolean;
  /** Requests over plain HTTP are redirected. */
  readonly requireTls: boolean;
  readonly typedPerFilterConfig: Readonly<Record<string, Any>> | undefined;
}

/** A virtual host with nothing in it, but for what is given. */
export function virtualHost(parts: Pick<VirtualHostSpec, 'name' | 'domains'> & Partial<VirtualHostSpec>) {
  return {
    groups: [],
    includeRequestAttemptCount: false,
    requireTls: false,
    typedPerFilterConfig: undefined,
    ...parts,
  } satisfies VirtualHostSpec;
}

const encoded = new Memo<Uint8Array>();

/** A virtual host as bytes. The same parts are encoded once, whichever table they stand in. */
export function virtualHostBytes(host: VirtualHostSpec): Uint8Array {
  const flags = `${host.includeRequestAttemptCount} ${host.requireTls} ${idOf(host.typedPerFilterConfig)}`;
  return encoded.get(host.groups, `${host.name} ${host.domains.join()} ${flags}`, () =>
    concat([
      toBinary(VirtualHostSchema, create(VirtualHostSchema, shellOf(host))),
      ...host.groups.map((group) => group.bytes),
    ]),
  );
}

/** A virtual host as a message of its own, for those who change it. Its routes are shared with others. */
export function virtualHostMessage(host: VirtualHostSpec): VirtualHost {
  const message = create(VirtualHostSchema, shellOf(host));
  message.routes = host.groups.flatMap((group) => group.routes);
  return message;
}

function shellOf(host: VirtualHostSpec): MessageInitShape<typeof VirtualHostSchema> {
  return {
    name: host.name,
    domains: [...host.domains],
    includeRequestAttemptCount: host.includeRequestAttemptCount,
    requireTls: host.requireTls ? VirtualHost_TlsRequirementType.ALL : VirtualHost_TlsRequirementType.NONE,
    typedPerFilterConfig: { ...host.typedPerFilterConfig },
  };
}

/** Virtual hosts by name, as istiod sends them. */
export function byName(a: VirtualHostSpec, b: VirtualHostSpec): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
