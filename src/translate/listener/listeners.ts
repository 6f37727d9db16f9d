import type { Listener } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { addedListeners, LISTENER_TARGETS, patchListener } from '../patch/listeners.ts';
import type { PatchContext } from '../patch/patch-set.ts';
import type { ProxyView } from '../proxy-view.ts';
import { gatewayListeners } from './gateway.ts';
import { httpProxyListener } from './http-proxy.ts';
import { inboundListeners } from './inbound.ts';
import { type BuiltListener, outboundListeners } from './outbound.ts';
import { virtualOutboundListener } from './virtual-outbound.ts';

/** All listeners of a proxy, as EnvoyFilters leave them. */
export function listenersOf(proxy: ProxyView): BuiltListener[] {
  if (!proxy.isSidecar) return withAdded(proxy, 'GATEWAY', patched(proxy, 'GATEWAY', gatewayListeners(proxy)));
  const virtual = virtualOutboundListener(proxy);
  const httpProxy = httpProxyListener(proxy);
  const outbound = patched(proxy, 'SIDECAR_OUTBOUND', outboundListeners(proxy));
  return [
    ...withAdded(proxy, 'SIDECAR_OUTBOUND', outbound),
    ...patched(proxy, 'SIDECAR_OUTBOUND', httpProxy === undefined ? [] : [httpProxy]),
    ...patched(proxy, 'SIDECAR_OUTBOUND', virtual === undefined ? [] : [{ listener: virtual, sources: [] }]),
    ...withAdded(proxy, 'SIDECAR_INBOUND', patched(proxy, 'SIDECAR_INBOUND', inboundListeners(proxy))),
  ];
}

/** Patches stand first among the origins of what they may have changed: a proxy that refuses it does so rather for them. */
function patched({ patches }: ProxyView, context: PatchContext, built: readonly BuiltListener[]): BuiltListener[] {
  const origins = LISTENER_TARGETS.flatMap((target) => patches.for(target, context)).map(({ patch }) => patch.origin);
  return built.flatMap(({ conflict, listener, sources }) => {
    const result: Listener | undefined = patchListener(patches, context, listener);
    return result === undefined ? [] : [{ conflict, listener: result, sources: [...origins, ...sources] }];
  });
}

function withAdded({ patches }: ProxyView, context: PatchContext, built: readonly BuiltListener[]): BuiltListener[] {
  const added = addedListeners(patches, context);
  return [...built, ...added.map(({ listener, patch }) => ({ listener, sources: [patch.patch.origin] }))];
}
