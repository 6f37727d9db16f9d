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

export function namesListenerFilter({ listener }: ReadyPatch): boolean {
  return Boolean(listener?.listenerFilter);
}

export function matchesListenerFilter({ listener }: ReadyPatch, { name }: ListenerFilter): boolean {
  return !listener?.listenerFilter || listener.listenerFilter === name;
}

export function namesNetworkFilter({ listener }: ReadyPatch): boolean {
  return listener?.filterChain?.filter !== undefined;
}

export function matchesNetworkFilter({ listener }: ReadyPatch, { name }: Filter): boolean {
  const wanted = listener?.filterChain?.filter;
  return wanted === undefined || (wanted.name ?? '') === name;
}

export function namesHttpFilter({ listener }: ReadyPatch): boolean {
  return listener?.filterChain?.filter?.subFilter !== undefined;
}

export function matchesHttpFilter({ listener }: ReadyPatch, { name }: HttpFilter): boolean {
  const wanted = listener?.filterChain?.filter?.subFilter;
  return wanted === undefined || (wanted.name ?? '') === name;
}
