import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Clock } from '../base/clock.ts';
import { messageOf, UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { RefusalLog } from '../base/refusal-log.ts';
import { TrustDomains } from '../base/spiffe.ts';
import type { CertificateAuthority } from '../ca/authority/authority.ts';
import { type DirectoryAuthority, openDirectory, openSelfSigned } from '../ca/authority/directory.ts';
import { followFiles } from '../ca/client/follow-files.ts';
import { readSmallFile } from '../ca/files/read.ts';
import { replaceFile } from '../ca/files/write.ts';
import { CertificateService } from '../ca/service/certificate-service.ts';
import type { CertificateMetrics } from '../ca/service/metrics.ts';
import type { Authenticator } from '../ca/tokens/authenticator.ts';
import { CertificateAuthenticator } from '../ca/tokens/certificate-authenticator.ts';
import {
  type BoundPod,
  KUBERNETES_ALGORITHMS,
  localKeys,
  remoteKeys,
  TokenAuthenticator,
  type TrustedIssuer,
} from '../ca/tokens/token-authenticator.ts';
import { LOCAL_TOKEN_ISSUER, TokenIssuer } from '../ca/tokens/token-issuer.ts';
import type { Certificate } from '../ca/x509/certificate.ts';
import { RevocationLists } from '../ca/x509/revocation.ts';
import type { Mesh } from '../translate/mesh.ts';

/** An authority outside of the mesh, and the connection to it. */
export type UpstreamAuthority = CertificateAuthority & { close(): void };

export interface SecurityOptions {
  /** Signs instead of an authority of our own (`EXTERNAL_CA`). */
  readonly upstream?: UpstreamAuthority;
  /** `CA_TRUSTED_NODE_ACCOUNTS`: `NAMESPACE/ACCOUNT` of those who may ask for the certificates of others. */
  readonly trustedAccounts?: readonly string[];
  /** Folder with `ca-cert.pem`, `ca-key.pem`, `root-cert.pem`, `cert-chain.pem`; undefined makes a root of our own. */
  readonly certificates: string | undefined;
  /** Where the root and the key that signs tokens are kept; undefined forgets them with the process. */
  readonly stateDirectory: string | undefined;
  readonly mesh: Pick<Mesh, 'trustDomain' | 'trustDomainAliases'>;
  /** `TOKEN_AUDIENCES`. */
  readonly audiences: readonly string[];
  /** Whether a pod that a token of our own was issued to is at work; undefined where nobody tells of pods. */
  readonly podProblem?: ((pod: BoundPod) => string | undefined) | undefined;
  /** `JWT_RULE`: an issuer outside of the mesh whose tokens are accepted as well. */
  readonly jwtRule: string | undefined;
  /** `DEFAULT_WORKLOAD_CERT_TTL`, `MAX_WORKLOAD_CERT_TTL`, `CITADEL_SELF_SIGNED_CA_CERT_TTL`; milliseconds. */
  readonly defaultTtlMs: number | undefined;
  readonly maxTtlMs: number | undefined;
  readonly rootTtlMs: number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: CertificateMetrics;
}

/** Who signs certificates, and who may ask for what. */
export interface Security {
  readonly authority: CertificateAuthority;
  readonly authenticators: readonly Authenticator[];
  readonly certificates: CertificateService;
  close(): Promise<void>;
}

/** Opens the authority and what proves who calls. Throws a UserError that names the file or the setting. */
export async function openSecurity(options: SecurityOptions): Promise<Security> {
  const { mesh, clock, log, metrics } = options;
  const state = await openState(options);
  const authority = await openAuthority(options, state.directory);
  const trustDomains = new TrustDomains(mesh.trustDomain, mesh.trustDomainAliases);
  const tokens = await TokenIssuer.open(path.join(state.directory, 'tokens'), { issuer: LOCAL_TOKEN_ISSUER, clock });
  const issuers: TrustedIssuer[] = [
    { issuer: LOCAL_TOKEN_ISSUER, keys: localKeys(tokens.jwks()), audiences: options.audiences },
    ...(options.jwtRule ? [readJwtRule(options.jwtRule)] : []),
  ];
  const { trustDomain } = mesh;
  const revocations = await Revocations.open(options.certificates, clock, log);
  const authenticators = [
    new CertificateAuthenticator({
      roots: () => authority.roots(),
      trustDomains,
      isRevoked: (certificate) => revocations.has(certificate),
      clock,
    }),
    ...issuers.map((issuer) => {
      const podProblem = issuer.issuer === LOCAL_TOKEN_ISSUER ? options.podProblem : undefined;
      return new TokenAuthenticator({ issuer, trustDomain, clock, ...(podProblem ? { podProblem } : {}) });
    }),
  ];
  const refusals = new RefusalLog(log, clock.now());
  const trusted = new Set(options.trustedAccounts ?? []);
  return {
    authority,
    authenticators,
    certificates: new CertificateService({
      authority,
      authenticators,
      trustDomains,
      mayImpersonate: ({ namespace, serviceAccount }) => trusted.has(`${namespace}/${serviceAccount}`),
      clock,
      metrics,
      audit: ({ outcome, ...record }) =>
        outcome === 'issued'
          ? log.info('certificate issued', { ...record })
          : refusals.refused(() => 'certificate refused', clock.now(), { ...record }),
    }),
    close: async () => {
      revocations.close();
      authority.close();
      await state.release();
    },
  };
}

async function openState({ stateDirectory, log }: SecurityOptions) {
  if (stateDirectory !== undefined) return { directory: stateDirectory, release: async () => {} };
  const directory = await mkdtemp(path.join(tmpdir(), 'isthmus-discovery-'));
  log.warn('the root certificate and the token key live only as long as this process; give --stateDir to keep them');
  return { directory, release: () => rm(directory, { recursive: true, force: true }) };
}

const REVOCATIONS = 'ca-crl.pem';
const REVOCATIONS_POLL_MS = 2000;

/** The lists that are plugged in with an authority (`ca-crl.pem`), as they are at a moment. */
class Revocations {
  readonly #file: string;
  #lists: RevocationLists | undefined;
  #watch: { close(): void } | undefined;

  private constructor(file: string) {
    this.#file = file;
  }

  /** Follows the file of a folder. Throws a UserError if it is no good; later on the last good one stays in force. */
  static async open(folder: string | undefined, clock: Clock, log: Logger): Promise<Revocations> {
    const revocations = new Revocations(path.join(folder ?? '', REVOCATIONS));
    if (folder === undefined) return revocations;
    const files = [revocations.#file];
    revocations.#take(await readSmallFile(revocations.#file));
    const take = (found: ReadonlyMap<string, string>) => revocations.#take(found.get(revocations.#file));
    revocations.#watch = await followFiles(files, {
      clock,
      intervalMs: REVOCATIONS_POLL_MS,
      watched: files,
      onFirst: take,
      onChange: take,
      onError: (error) => log.error(`revocations stay as they were: ${messageOf(error)}`),
    });
    return revocations;
  }

  has(certificate: Certificate): boolean {
    return this.#lists?.has(certificate) ?? false;
  }

  close(): void {
    this.#watch?.close();
  }

  #take(text: string | undefined): void {
    this.#lists = text?.trim() ? new RevocationLists(text, this.#file) : undefined;
  }
}

/** Where the roots of an upstream authority are kept for workloads, under the folder of the state. */
const UPSTREAM_ROOTS = 'upstream/root-cert.pem';

async function openAuthority(
  options: SecurityOptions,
  stateDirectory: string,
): Promise<DirectoryAuthority | UpstreamAuthority> {
  const { certificates, upstream, mesh, clock, log, defaultTtlMs, maxTtlMs, rootTtlMs } = options;
  if (upstream !== undefined) {
    const file = path.join(stateDirectory, UPSTREAM_ROOTS);
    const publish = () => replaceFile(file, { text: upstream.roots(), secret: false });
    await publish();
    upstream.subscribe(() => void publish().catch((error: unknown) => log.error(messageOf(error))));
    return upstream;
  }
  const common = {
    trustDomain: mesh.trustDomain,
    clock,
    defaultTtlMs,
    maxTtlMs,
    onError: (error: unknown) => log.error(`the authority stays as it was: ${messageOf(error)}`),
  };
  if (certificates === undefined)
    return openSelfSigned(path.join(stateDirectory, 'ca'), { ...common, ...(rootTtlMs ? { rootTtlMs } : {}) });
  return openDirectory(certificates, common);
}

/** `JWT_RULE`, JSON of Istio's JWTRule: issuer, audiences, and jwksUri or jwks. */
function readJwtRule(text: string): TrustedIssuer {
  let rule: { issuer?: unknown; audiences?: unknown; jwksUri?: unknown; jwks?: unknown };
  try {
    rule = JSON.parse(text);
  } catch (error) {
    throw new UserError(`JWT_RULE is not JSON: ${messageOf(error)}`);
  }
  const { issuer, audiences, jwksUri, jwks } = rule;
  if (typeof issuer !== 'string' || issuer === '') throw new UserError('JWT_RULE must name an issuer');
  if (!Array.isArray(audiences) || audiences.length === 0 || !audiences.every((a) => typeof a === 'string'))
    throw new UserError('JWT_RULE must list the audiences, one of which a token must have');
  const common = { issuer, audiences, algorithms: KUBERNETES_ALGORITHMS };
  if (typeof jwks === 'string') return { ...common, keys: localKeys(JSON.parse(jwks)) };
  if (typeof jwksUri !== 'string' || !URL.canParse(jwksUri)) throw new UserError('JWT_RULE must have jwksUri or jwks');
  return { ...common, keys: remoteKeys(new URL(jwksUri)) };
}

/** Whether a folder is there. */
export async function isFolder(directory: string): Promise<boolean> {
  try {
    return (await stat(directory)).isDirectory();
  } catch {
    return false;
  }
}
