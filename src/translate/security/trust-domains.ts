/** A mesh without a trust domain of its own is called so, and policies may call every mesh so. */
const LOCAL = 'cluster.local';

/**
 * The principals of a policy (`TRUST_DOMAIN/ns/NAMESPACE/sa/NAME`) under each of a mesh's names: what is said about one is
 * said about all of them. Principals of other trust domains, and patterns for any, stay as they are.
 */
export function withTrustDomainAliases(principals: readonly string[], domains: readonly string[]): string[] {
  return principals.flatMap((text) => {
    const parts = text.split('/');
    const [domain] = parts;
    if (parts.length !== 5 || domain === '*') return [text];
    if (domain !== LOCAL && !domains.some((own) => covers(own, domain!))) return [text];
    const path = parts.slice(1).join('/');
    // A pattern that covers a name says it for that name already.
    return [...new Set(domains.map((own) => (endsAs(own, domain!) ? text : `${own}/${path}`)))];
  });
}

/** Trust domains of a policy, where what is said about one name of the mesh is said about all of them. Patterns stay as they are. */
export function withDomainAliases(values: readonly string[], domains: readonly string[]): string[] {
  return [...new Set(values.flatMap((value) => (domains.includes(value) ? domains : [value])))];
}

function covers(own: string, domain: string): boolean {
  return own === domain || startsAs(domain, own) || startsAs(own, domain) || endsAs(domain, own) || endsAs(own, domain);
}

function startsAs(text: string, pattern: string): boolean {
  return pattern.endsWith('*') && text.startsWith(pattern.slice(0, -1));
}

function endsAs(text: string, pattern: string): boolean {
  return pattern.startsWith('*') && text.endsWith(pattern.slice(1));
}
