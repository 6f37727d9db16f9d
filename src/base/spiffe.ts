/** A SPIFFE ID taken apart (SPIFFE-ID standard, section 2). */
export interface SpiffeId {
  readonly trustDomain: string;
  /** Empty, or begins with a slash. */
  readonly path: string;
}

/** The identity of a workload in a mesh: a Kubernetes service account, in a trust domain. */
export interface WorkloadIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

export const SPIFFE_SCHEME = 'spiffe://';

/** SPIFFE-ID section 2.3: what every implementation must support, and the most that this one accepts. */
const MAX_ID_BYTES = 2048;
const MAX_TRUST_DOMAIN_BYTES = 255;
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const SEGMENT = /^[a-zA-Z0-9._-]+$/;

/** What is wrong with a trust domain's name, or undefined. */
export function trustDomainProblem(name: string): string | undefined {
  if (name === '') return 'the trust domain is empty';
  if (name.length > MAX_TRUST_DOMAIN_BYTES)
    return `the trust domain is longer than ${MAX_TRUST_DOMAIN_BYTES} characters`;
  if (!TRUST_DOMAIN.test(name))
    return `the trust domain "${name}" has characters other than a-z, 0-9, dot, dash and underscore`;
  return undefined;
}

function pathProblem(path: string): string | undefined {
  if (path === '') return undefined;
  for (const segment of path.slice(1).split('/')) {
    if (segment === '') return 'the path has an empty segment or ends with a slash';
    if (segment === '.' || segment === '..') return 'the path has a relative segment';
    if (!SEGMENT.test(segment))
      return `the path segment "${segment}" has characters other than letters, digits, dot, dash and underscore`;
  }
  return undefined;
}

/** What is wrong with a SPIFFE ID, or undefined. */
export function spiffeIdProblem(uri: string): string | undefined {
  if (!uri.startsWith(SPIFFE_SCHEME)) return `it does not begin with ${SPIFFE_SCHEME}`;
  if (uri.length > MAX_ID_BYTES) return `it is longer than ${MAX_ID_BYTES} characters`;
  const { trustDomain, path } = split(uri);
  return trustDomainProblem(trustDomain) ?? pathProblem(path);
}

function split(uri: string): SpiffeId {
  const slash = uri.indexOf('/', SPIFFE_SCHEME.length);
  return slash === -1
    ? { trustDomain: uri.slice(SPIFFE_SCHEME.length), path: '' }
    : { trustDomain: uri.slice(SPIFFE_SCHEME.length, slash), path: uri.slice(slash) };
}

/**
 * Any SPIFFE ID, strictly by the standard: no upper case in scheme and trust domain, no port, query, fragment, percent
 * encoding, empty or relative segment. Undefined if it is not one; {@link spiffeIdProblem} says why.
 */
export function parseSpiffeId(uri: string): SpiffeId | undefined {
  return spiffeIdProblem(uri) === undefined ? split(uri) : undefined;
}

/** `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`, which is how Istio names workloads; undefined for any other ID. */
export function parseWorkloadIdentity(uri: string): WorkloadIdentity | undefined {
  const id = parseSpiffeId(uri);
  if (!id) return undefined;
  const segments = id.path.split('/');
  if (segments.length !== 5 || segments[1] !== 'ns' || segments[3] !== 'sa') return undefined;
  return { trustDomain: id.trustDomain, namespace: segments[2], serviceAccount: segments[4] };
}

/** The URI of an identity, or undefined if one of its parts cannot stand in a SPIFFE ID. */
export function formatWorkloadIdentity(identity: WorkloadIdentity): string | undefined {
  const { trustDomain, namespace, serviceAccount } = identity;
  const uri = `${SPIFFE_SCHEME}${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
  const back = parseWorkloadIdentity(uri);
  return back?.trustDomain === trustDomain && back.namespace === namespace && back.serviceAccount === serviceAccount
    ? uri
    : undefined;
}

/** Whether two identities are one service account of one namespace, whatever the trust domains. */
export function isSameAccount(a: WorkloadIdentity, b: WorkloadIdentity): boolean {
  return a.namespace === b.namespace && a.serviceAccount === b.serviceAccount;
}

/** The trust domain of this mesh together with its aliases (MeshConfig `trustDomain`, `trustDomainAliases`). */
export class TrustDomains {
  readonly own: string;
  readonly #all: ReadonlySet<string>;

  constructor(own: string, aliases: Iterable<string> = []) {
    this.own = own;
    this.#all = new Set([own, ...aliases]);
  }

  has(trustDomain: string): boolean {
    return this.#all.has(trustDomain);
  }

  /** Whether two identities are one workload, once aliases of the mesh's trust domain count as the domain itself. */
  same(a: WorkloadIdentity, b: WorkloadIdentity): boolean {
    return (
      isSameAccount(a, b) && (a.trustDomain === b.trustDomain || (this.has(a.trustDomain) && this.has(b.trustDomain)))
    );
  }
}
