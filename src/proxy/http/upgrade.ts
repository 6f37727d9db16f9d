import type { Headers } from '../../wire/headers.ts';
import type { Route } from '../router/route.ts';
import type { HcmConfig, NamedFilter } from './config.ts';

const UPGRADE_TOKEN = /(^|,)[ \t]*upgrade[ \t]*(,|$)/i;

/** Type of the upgrade that a request asks for, in lower case: `connect`, `websocket`, ...; undefined if it asks for none. */
export function upgradeType(headers: Headers, end: boolean): string | undefined {
  if (headers.method === 'CONNECT') return headers.protocol === '' ? 'connect' : headers.protocol.toLowerCase();
  if (end) return undefined;
  const type = headers.get('upgrade');
  // An offer that the connection does not name is none (RFC 9110 section 7.8).
  if (type === undefined || !UPGRADE_TOKEN.test(headers.getJoined('connection') ?? '')) return undefined;
  return type.toLowerCase();
}

/**
 * The filters for an upgrade, or undefined if it is not allowed here (Envoy's `upgrade_configs` of the connection manager
 * and of the route).
 */
export function upgradeFilters(
  type: string,
  config: Pick<HcmConfig, 'filters' | 'upgrades'>,
  route: Pick<Route, 'action'> | undefined,
): readonly NamedFilter[] | undefined {
  // No route at all is the router's to answer.
  if (route === undefined) return config.filters;
  const listener = config.upgrades.get(type);
  // A route without an answer of its own for this type leaves it to the listener.
  const own = route.action.kind === 'route' ? route.action.upgrades.get(type) : undefined;
  if (!(own?.enabled ?? listener?.enabled ?? false)) return undefined;
  return listener?.filters ?? config.filters;
}
