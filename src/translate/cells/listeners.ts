import { toBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { perObject } from '../../registry/reuse.ts';
import { effectOn } from '../affects.ts';
import { type Cell, TypeUrl } from '../cell.ts';
import { EncodedCell } from '../encoded-cell.ts';
import type { SidecarScope } from '../index/sidecar-scope.ts';
import { listenersOf } from '../listener/listeners.ts';
import type { ProxyNode } from '../node.ts';
import { locationsOf } from '../origins.ts';
import type { ProxyView } from '../proxy-view.ts';

/** The listeners of proxies. Each proxy has its own, which are made again when something of them can have changed. */
export class ListenerCells {
  readonly #known = new WeakMap<ProxyNode, { readonly proxy: ProxyView; readonly cells: readonly Cell[] }>();

  all(proxy: ProxyView): readonly Cell[] {
    const known = this.#known.get(proxy.node);
    if (known?.proxy === proxy) return known.cells;
    const cells = known !== undefined && areSame(known.proxy, proxy) ? known.cells : build(proxy);
    this.#known.set(proxy.node, { proxy, cells });
    return cells;
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

function build(proxy: ProxyView): readonly Cell[] {
  return listenersOf(proxy).map(
    ({ listener, sources }) =>
      new EncodedCell(
        TypeUrl.Listener,
        listener.name,
        () => toBinary(ListenerSchema, listener),
        () => locationsOf(sources),
      ),
  );
}
