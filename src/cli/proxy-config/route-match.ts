import type { Message } from '../output/json.ts';
import { messageAt, textAt, valueAt } from './fields.ts';

/** Which paths a route is for. Headers and the rest are left out. */
export function describeMatch(match: Message | undefined): string {
  const parts: string[] = [];
  const prefix = textAt(match, 'prefix');
  if (prefix !== '') parts.push(`${prefix}*`);
  const segments = textAt(match, 'pathSeparatedPrefix');
  if (segments !== '') parts.push(`PathPrefix:${segments}`);
  const path = textAt(match, 'path');
  if (path !== '') parts.push(path);
  const regex = messageAt(match, 'safeRegex');
  if (regex !== undefined) parts.push(`regex ${textAt(regex, 'regex')}`);
  return parts.join(' ');
}

/** Whether a route leads to one cluster that it names, not to several by weight or to one that a header names. */
export function isRouteToCluster(route: Message): boolean {
  return valueAt(route, 'route', 'cluster') !== undefined;
}
