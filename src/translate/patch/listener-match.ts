import type {
  Filter,
  FilterChain,
  ListenerFilter,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import type { Listener } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import type { HttpFilter } from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import { VIRTUAL_INBOUND, VIRTUAL_OUTBOUND } from '../names.ts';
import type { ReadyPatch } from './patch-set.ts';

/** A port's chains are in one of these, so that a port that a patch names is looked for in the chains. */
function isVirtual({ name }: Listener): boolean {
  return name === VIRTUAL_INBOUND || name === VIRTUAL_OUTBOUND;
}

/** Whether a patch means this listener. A port is not asked of virtual listeners, which have chains for many. */
export function matchesListener({ listener: match, patch }: ReadyPatch, listener: Listener): boolean {
  if (match === undefined) return true;
  if (match.name && match.name !== listener.name) return false;
  if (patch.spec.applyTo !== 'LISTENER' && isVirtual(listener)) return true;
  return !match.portNumber || match.portNumber === portOf(listener);
}

function portOf({ address }: Listener): number | undefined {
  if (address?.address.case !== 'socketAddress') return undefined;
  const { portSpecifier } = address.address.value;
  return portSpecifier.case === 'portValue' ? portSpecifier.value : 0;
}

/** Whether a chain is meant. Its listener is already. */
export function matchesChain({ listener: wanted }: ReadyPatch, listener: Listener, chain: FilterChain): boolean {
  if (wanted === undefined) return true;
  const own = chain.filterChainMatch;
  if (isVirtual(listener) && wanted.portNumber && (own?.destinationPort ?? 0) !== wanted.portNumber) return false;
  const match = wanted.filterChain;
  if (match === undefined) return true;
  if (match.name && match.name !== chain.name) return false;
  if (match.sni && own?.serverNames.includes(match.sni) !== true) return false;
  if (match.transportProtocol && own?.transportProtocol !== match.transportProtocol) return false;
  if (match.applicationProtocols) {
    const all = match.applicationProtocols.split(',');
    if (own === undefined || !all.every((name) => own.applicationProtocols.includes(name))) return false;
  }
  return !match.destinationPort || own?.destinationPort === match.destinationPort;
}

/** Whether a patch's match names a listener filter. */
export function namesListenerFilter({ listener }: ReadyPatch): boolean {
  return Boolean(listener?.listenerFilter);
}

/** Whether a patch means this listener filter; one that names none means all. */
export function matchesListenerFilter({ listener }: ReadyPatch, { name }: ListenerFilter): boolean {
  return !listener?.listenerFilter || listener.listenerFilter === name;
}

/** Whether a patch's match names a network filter. */
export function namesNetworkFilter({ listener }: ReadyPatch): boolean {
  return listener?.filterChain?.filter !== undefined;
}

/** Whether a patch means this network filter; one that names none means all. */
export function matchesNetworkFilter({ listener }: ReadyPatch, { name }: Filter): boolean {
  const wanted = listener?.filterChain?.filter;
  return wanted === undefined || (wanted.name ?? '') === name;
}

/** Whether a patch's match names an HTTP filter. */
export function namesHttpFilter({ listener }: ReadyPatch): boolean {
  return listener?.filterChain?.filter?.subFilter !== undefined;
}

/** Whether a patch means this HTTP filter; one that names none means all. */
export function matchesHttpFilter({ listener }: ReadyPatch, { name }: HttpFilter): boolean {
  const wanted = listener?.filterChain?.filter?.subFilter;
  return wanted === undefined || (wanted.name ?? '') === name;
}
