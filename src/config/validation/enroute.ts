import { isDnsSubdomain } from './names.ts';

/** What is wrong with a prefix of paths, as a clause, or undefined. */
export function checkRoutePrefix(prefix: string): string | undefined {
  return prefix.startsWith('/') ? undefined : `must begin with /, not ${JSON.stringify(prefix)}`;
}

/** What is wrong with the name of a host that EnRoute serves, as a clause, or undefined. */
export function checkFqdn(fqdn: string): string | undefined {
  if (fqdn === '*') return undefined;
  const name = fqdn.startsWith('*.') ? fqdn.slice(2) : fqdn;
  return isDnsSubdomain(name.toLowerCase()) ? undefined : `must be a host name or *, not ${JSON.stringify(fqdn)}`;
}
