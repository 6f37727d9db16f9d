import type { ConnectedProxy } from '../proxies/connected-proxy.ts';
import { type DebugAnswer, type DebugContext, type DebugRequest, text } from './handler.ts';

/** The proxy that `?proxyID=` names, or what to answer where there is none. The texts are those that istioctl looks for. */
export function findProxy(request: DebugRequest, context: DebugContext): ConnectedProxy | DebugAnswer {
  const id = request.query.get('proxyID');
  if (!id) return text(400, 'You must provide a proxyID in the query string\n');
  const proxy = context.proxies.find(id);
  const hidden = request.identity && !mayAsk(request.identity.namespace, context, proxy?.node.namespace);
  if (proxy && !hidden) return proxy;
  return text(404, 'Proxy not connected to this Pilot instance. It may be connected to another instance.\n');
}

/** Workloads of the root namespace may ask about everything, others about their own namespace. */
export function mayAsk(namespace: string, context: DebugContext, about: string | undefined): boolean {
  const root = context.source.snapshot.mesh.rootNamespace ?? 'istio-system';
  return namespace === root || namespace === about;
}
