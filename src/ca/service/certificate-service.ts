import crypto from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import {
  type IstioCertificateRequest,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
} from '../../api/gen/istio/v1/auth/ca_pb.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import {
  formatWorkloadIdentity,
  parseWorkloadIdentity,
  type TrustDomains,
  type WorkloadIdentity,
} from '../../base/spiffe.ts';
import { GrpcCode } from '../../wire/grpc/transport.ts';
import { type CertificateAuthority, type IssuedCertificate, SigningError } from '../authority/authority.ts';
import { AuthenticationError, type Authenticator, bearerToken, type Caller } from '../tokens/authenticator.ts';
import { type CertificationRequest, parseRequest, RequestError } from '../x509/request.ts';
import type { AuditRecord } from './audit.ts';
import { GrpcError } from './grpc-error.ts';
import type { CertificateMetrics } from './metrics.ts';
import { type Rate, RateLimit } from './rate-limit.ts';

/** What the transport knows of whoever calls. */
export interface Peer {
  /** For the audit record. */
  readonly address: string;
  /** The `authorization` metadata. */
  readonly authorization?: string;
  /** DER, leaf first, from a TLS handshake in which the peer proved that it holds the key. */
  readonly certificates?: readonly Uint8Array[];
}

export interface CertificateServiceOptions {
  readonly authority: CertificateAuthority;
  /** Asked in order; the first that knows the peer decides who it is. */
  readonly authenticators: readonly Authenticator[];
  readonly trustDomains: TrustDomains;
  /** Whether a caller may ask for other workloads' certificates (`CA_TRUSTED_NODE_ACCOUNTS`); nobody may unless told. */
  readonly mayImpersonate?: (caller: WorkloadIdentity) => boolean;
  readonly clock?: Clock;
  /** One identity may belong to all replicas of a deployment that start at once. */
  readonly perIdentity?: Rate;
  readonly overall?: Rate;
  readonly metrics?: CertificateMetrics;
  readonly audit?: (record: AuditRecord) => void;
}

const PER_IDENTITY: Rate = { burst: 500, perSecond: 20 };
const OVERALL: Rate = { burst: 5000, perSecond: 1000 };
const MAX_IDENTITIES = 10_000;

/** A refusal with what only the audit record may say. */
class Refusal extends GrpcError {
  readonly reason: string;

  constructor(code: GrpcCode, message: string, reason = message) {
    super(code, message);
    this.reason = reason;
  }
}

/**
 * `istio.v1.auth.IstioCertificateService`, whatever carries it. Its answers are istiod's: status codes, messages, the
 * order of the chain and the counters.
 */
export class CertificateService {
  readonly #options: CertificateServiceOptions;
  readonly #clock: Clock;
  readonly #perIdentity: RateLimit;
  readonly #overall: RateLimit;

  constructor(options: CertificateServiceOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#perIdentity = new RateLimit(options.perIdentity ?? PER_IDENTITY, MAX_IDENTITIES);
    this.#overall = new RateLimit(options.overall ?? OVERALL, 1);
  }

  /**
   * Signs the key of a request for the identity of its caller. Throws a {@link GrpcError}: UNAUTHENTICATED without saying
   * why, INVALID_ARGUMENT for what is wrong with the request, RESOURCE_EXHAUSTED, INTERNAL.
   */
  async createCertificate(request: IstioCertificateRequest, peer: Peer): Promise<IstioCertificateResponse> {
    const { metrics, audit } = this.#options;
    metrics?.increment('citadel_server_csr_count');
    const about: { time: number; peer: string; caller?: string; onBehalfOf?: string; via?: Caller['via'] } = {
      time: this.#clock.now(),
      peer: peer.address,
    };
    try {
      const asking = await this.#authenticate(peer);
      about.caller = this.#identify(asking);
      about.via = asking.via;
      const caller = this.#onBehalfOf(request, asking);
      const identity = this.#identify(caller);
      if (caller !== asking) about.onBehalfOf = identity;
      this.#admit(identity);
      const { issued, csr } = await this.#sign(request, caller, identity);
      metrics?.increment('citadel_server_success_cert_issuance_count');
      const { serial, notBefore, notAfter } = issued;
      const publicKey = crypto.createHash('sha256').update(csr.publicKeyInfo).digest('hex');
      audit?.({ ...about, outcome: 'issued', serial, notBefore, notAfter, publicKey });
      return create(IstioCertificateResponseSchema, { certChain: [...issued.chain, issued.roots] });
    } catch (error) {
      const refusal =
        error instanceof Refusal
          ? error
          : new Refusal(GrpcCode.Internal, 'CSR signing error (internal error)', messageOf(error));
      audit?.({ ...about, outcome: 'refused', code: refusal.code, reason: refusal.reason });
      throw refusal;
    }
  }

  async #authenticate(peer: Peer): Promise<Caller> {
    const credentials = { bearer: bearerToken(peer.authorization), peerCertificates: peer.certificates };
    const reasons: string[] = [];
    for (const authenticator of this.#options.authenticators) {
      try {
        const caller = await authenticator.authenticate(credentials);
        if (caller) return caller;
        reasons.push(`${authenticator.name}: no credential`);
      } catch (error) {
        if (!(error instanceof AuthenticationError)) throw error;
        reasons.push(`${authenticator.name}: ${error.message}`);
      }
    }
    this.#options.metrics?.increment('citadel_server_authentication_failure_count');
    throw new Refusal(GrpcCode.Unauthenticated, 'request authenticate failure', reasons.join('; '));
  }

  #identify(caller: Caller): string {
    const identity = formatWorkloadIdentity(caller.identity);
    if (identity) return identity;
    this.#options.metrics?.increment('citadel_server_id_extraction_err_count');
    const { namespace, serviceAccount } = caller.identity;
    throw new Refusal(
      GrpcCode.Unauthenticated,
      'request authenticate failure',
      `"${namespace}/${serviceAccount}" cannot stand in a SPIFFE ID`,
    );
  }

  /** For whom a caller asks: itself, or another workload of the mesh if it is one that may. */
  #onBehalfOf(request: IstioCertificateRequest, caller: Caller): Caller {
    const asked = request.metadata?.ImpersonatedIdentity;
    if (asked === undefined || asked === '') return caller;
    const { mayImpersonate = () => false, trustDomains, metrics } = this.#options;
    const identity = typeof asked === 'string' ? parseWorkloadIdentity(asked) : undefined;
    if (identity && trustDomains.has(identity.trustDomain) && mayImpersonate(caller.identity))
      return { ...caller, identity };
    metrics?.increment('citadel_server_authentication_failure_count');
    throw new Refusal(
      GrpcCode.Unauthenticated,
      'request impersonation authentication failure',
      `${formatWorkloadIdentity(caller.identity)} may not ask on behalf of ${JSON.stringify(asked)}`,
    );
  }

  #admit(identity: string): void {
    const now = this.#clock.now();
    if (!this.#perIdentity.take(identity, now))
      throw new Refusal(GrpcCode.ResourceExhausted, `too many certificate requests from ${identity}, try again later`);
    if (!this.#overall.take('', now))
      throw new Refusal(GrpcCode.ResourceExhausted, 'too many certificate requests, try again later');
  }

  async #sign(
    request: IstioCertificateRequest,
    caller: Caller,
    identity: string,
  ): Promise<{ issued: IssuedCertificate; csr: CertificationRequest }> {
    try {
      const csr = parseRequest(request.csr);
      this.#requireOwnIdentity(csr, caller, identity);
      const ttlMs = Number(request.validityDuration) * 1000;
      return { issued: await this.#options.authority.sign(csr, { identity, ttlMs }), csr };
    } catch (error) {
      const failure = toSigningError(error);
      if (!failure) throw error;
      this.#options.metrics?.increment('citadel_server_csr_sign_err_count', { error: failure.type });
      const theirs = failure.type === 'CSR_ERROR' || failure.type === 'TTL_ERROR';
      throw new Refusal(
        theirs ? GrpcCode.InvalidArgument : GrpcCode.Internal,
        `CSR signing error (${failure.message})`,
      );
    }
  }

  /** The certificate would carry the caller's identity in any case; asking for another is a mistake or an attempt. */
  #requireOwnIdentity(csr: CertificationRequest, caller: Caller, identity: string): void {
    for (const uri of csr.names.uris) {
      const asked = parseWorkloadIdentity(uri);
      if (!asked || !this.#options.trustDomains.same(asked, caller.identity))
        throw new SigningError('CSR_ERROR', `the request asks for ${JSON.stringify(uri)}, the caller is ${identity}`);
    }
  }
}

function toSigningError(error: unknown): SigningError | undefined {
  if (error instanceof RequestError) return new SigningError('CSR_ERROR', error.message);
  return error instanceof SigningError ? error : undefined;
}
