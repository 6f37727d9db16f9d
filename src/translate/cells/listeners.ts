import { toBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { perObject } from '../../registry/reuse.ts';
import { effectOn } from '../affects.ts';
import { type Cell, TypeUrl } from '../cell.ts';
import { EncodedCell } from '../encoded-cell.ts';
import type { SidecarScope } from '../index/sidecar-scope.ts';
import { listenersOf } from '../listener/listeners.ts';
import type { PortConflict } from '../listener/outbound.ts';
import type { ProxyNode } from '../node.ts';
import { locationsOf } from '../origins.ts';
import type { ProxyView } from '../proxy-view.ts';

interface Listeners {
  readonly cells: readonly Cell[];
  readonly warnings: readonly string[];
}

/** The listeners of proxies. Each proxy has its own, which are made again when something of them can have changed. */
export class ListenerCells {
  readonly #known = new WeakMap<ProxyNode, { readonly proxy: ProxyView; readonly listeners: Listeners }>();

  all(proxy: ProxyView): readonly Cell[] {
    return this.#of(proxy).cells;
  }

  /** What people should know about the listeners of a proxy. */
  warnings(proxy: ProxyView): readonly string[] {
    return this.#of(proxy).warnings;
  }

  #of(proxy: ProxyView): Listeners {
    const known = this.#known.get(proxy.node);
    if (known?.proxy === proxy) return known.listeners;
    const listeners = known !== undefined && areSame(known.proxy, proxy) ? known.listeners : build(proxy);
    this.#known.set(proxy.node, { proxy, listeners });
    return listeners;
  }
}

/** Where services run shows in listeners only if each of their endpoints has one. */
function areSame(before: ProxyView, after: ProxyView): boolean {
  const { endpoints, rest } = effectOn(before, after);
  return !rest && !(endpoints && hasHeadless(after.scope));
}

const hasHeadless = perObject(({ egress }: SidecarScope) =>
  egress.some(({ services }) => services.some(({ resolution }) => resolution === 'PASSTHROUGH')),
);

function build(proxy: ProxyView): Listeners {
  const built = listenersOf(proxy);
  const cells = built.map(
    ({ listener, sources }) =>
      new EncodedCell(
        TypeUrl.Listener,
        listener.name,
        () => toBinary(ListenerSchema, listener),
        () => locationsOf(sources),
      ),
  );
  return { cells, warnings: built.flatMap(({ conflict, listener }) => warningOf(listener.name, conflict) ?? []) };
}

/** Where programs address their sidecar itself there is no other way to a service that another one stands before. */
function warningOf(name: string, conflict: PortConflict | undefined): string | undefined {
  if (conflict === undefined) return undefined;
  const { dropped, kept } = conflict;
  return `${name} leads to ${kept} only: ${dropped.join(', ')} cannot be told apart from it there; give one of them another port`;
}
