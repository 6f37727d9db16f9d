import type { WorkloadIdentity } from '../../base/spiffe.ts';
import type { MeshSnapshot } from '../../translate/mesh.ts';
import type { ProxyNode } from '../../translate/node.ts';
import type { Translation } from '../../translate/translation.ts';
import type { Node } from '../../xds/server/node.ts';
import type { ResourceView } from '../../xds/server/resource-view.ts';
import type { TypeStatus } from '../../xds/server/served-type.ts';
import type { RecordedNack } from './nack.ts';
import type { ProxyView } from './proxy-view.ts';

/** The part of a discovery stream that the control plane uses. */
export interface ProxyStream {
  /** Snapshot of the newest state that was handed in. */
  readonly snapshot: number;
  readonly view: ResourceView | undefined;
  status(): TypeStatus[];
  push(view: ResourceView): void;
  adopt(view: ResourceView): void;
  renew(): void;
}

/** One connected proxy: who it is, what it was given, and how far it got. */
export interface ConnectedProxy {
  /** `NAME.NAMESPACE-N`, where N counts connections, as istiod names them. */
  readonly connectionId: string;
  /** `NAME.NAMESPACE`. */
  readonly id: string;
  readonly node: ProxyNode;
  /** As it came. */
  readonly rawNode: Node;
  /** Proven by certificate or token; undefined on the plaintext port. */
  readonly identity: WorkloadIdentity | undefined;
  /** Address of its end of the connection. */
  readonly peer: string;
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
  readonly stream: ProxyStream;
  /** Ends the connection. */
  readonly disconnect: (reason: string) => void;
  readonly progress: Progress;
}

/** How far a proxy got. Only the scheduler and the stream's observer write here. */
export interface Progress {
  /** The newest snapshot that was looked at for this proxy, whether or not it changed anything for it. */
  considered: MeshSnapshot | undefined;
  view: ProxyView | undefined;
  /** The newest snapshot that changed something for it. */
  affectedBy: number;
  /** Everything up to this snapshot is settled: acknowledged or refused. */
  settled: number;
  /** A push is under way. */
  busy: boolean;
  /** Waits for its turn since, milliseconds of a clock that only goes forward. */
  queuedAt: number | undefined;
  /** When the oldest change became known that is not settled. */
  pendingSince: number | undefined;
  /** Why no newer snapshot could be translated. */
  failure: string | undefined;
  /** The translation under the newest snapshot. */
  translation: Translation | undefined;
  /** What people were told about the proxy's part of it. */
  warnings: readonly string[];
  /** The newest refusal of each type that still stands. */
  readonly nacks: Map<string, RecordedNack>;
  closed: boolean;
}

export function newProgress(): Progress {
  return {
    considered: undefined,
    view: undefined,
    affectedBy: 0,
    settled: 0,
    busy: false,
    queuedAt: undefined,
    pendingSince: undefined,
    failure: undefined,
    translation: undefined,
    warnings: [],
    nacks: new Map(),
    closed: false,
  };
}

/** Whether it follows configuration: tools that ask questions over the same service do not. */
export function followsConfiguration(proxy: ConnectedProxy): boolean {
  return proxy.stream.status().length > 0;
}
