import type { Message } from '../output/json.ts';
import { FreeForm } from '../output/json.ts';
import { valueAt } from './fields.ts';

/**
 * Which object of Istio's has made a route or a cluster, as `NAME.NAMESPACE`; empty where the proxy was not told,
 * `<unknown>` where it is an object of somebody else's API.
 */
export function describeManagement(resource: Message): string {
  const istio = valueAt(resource, 'metadata', 'filterMetadata', 'istio');
  const path = istio instanceof FreeForm ? valueAt(istio.value, 'config') : undefined;
  if (path === undefined) return '';
  if (typeof path !== 'string' || !path.startsWith('/apis/networking.istio.io/')) return '<unknown>';
  // /apis/GROUP/VERSION/namespaces/NAMESPACE/KIND/NAME
  const parts = path.split('/');
  return parts.length === 8 ? `${parts[7]}.${parts[5]}` : '';
}
