import type { Destination } from '../kinds/shared/destination.ts';
import type { Report } from '../report.ts';
import { checkWildcardName, isHostLabel } from './hosts.ts';
import { checkPort } from './ports.ts';

/** What is wrong with the name of a subset, as a clause, or undefined. */
export function checkSubsetName(name: string): string | undefined {
  if (name === '') return 'must not be empty';
  return isHostLabel(name) ? undefined : `must be letters, digits and -, not ${JSON.stringify(name)}`;
}

/** The rules for where a route leads. */
export function validateDestination(destination: Destination | undefined, report: Report): void {
  if (destination === undefined) return;
  if (destination.host === '*') report.error('must be one service, not "*"', 'host');
  else report.check(checkWildcardName(destination.host), 'host');
  if (destination.subset) report.check(checkSubsetName(destination.subset), 'subset');
  if (destination.port !== undefined) report.check(checkPort(destination.port.number ?? 0), 'port', 'number');
}

/** Several destinations need weights; one alone takes everything. */
export function validateTotalWeight(destinations: readonly { readonly weight?: number }[], report: Report): void {
  const total = destinations.reduce((sum, { weight = 0 }) => sum + weight, 0);
  if (destinations.length > 1 && total === 0) report.error('must have weights: those of its destinations add up to 0');
}
