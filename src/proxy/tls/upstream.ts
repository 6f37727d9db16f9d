import type net from 'node:net';
import type tls from 'node:tls';
import {
  type UpstreamTlsContext,
  UpstreamTlsContextSchema,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts';
import { messageOf } from '../../base/errors.ts';
import { ConfigErrors } from '../config/errors.ts';
import { admit } from './admission.ts';
import { checkedTransport } from './checked-transport.ts';
import { ContextMaterial, encodeAlpn, type Material } from './context-material.ts';
import { type HandshakeFacts, refused, secretsMissing } from './failure.ts';
import { type Judgement, refuseSoon, shakeHands } from './handshake.ts';
import { chainVerdict, onSession } from './node-tls.ts';
import type { PeerChain } from './peer-certificate.ts';
import type { SecretManager } from './secrets.ts';
import type { ContextLease } from './secure-context.ts';
import type { KeptSession } from './session-cache.ts';
import type { TransportStats } from './stats.ts';
import { connectionInfo } from './tls-info.ts';
import type { CertificateFacts, Handshake, TlsOutcome, UpstreamTlsOverride, UpstreamTransport } from './transport.ts';

/** Envoy's default for `max_session_keys`. */
const DEFAULT_SESSIONS = 1;
const MAX_SNI = 255;

/** Fields of UpstreamTlsContext that are newer than our copy of the API, by number. */
const NewerField = { AutoHostSni: 6, AutoSniSanValidation: 7 } as const;

/** What new connections are made with, until a secret changes. */
interface Generation {
  readonly material: Material;
  readonly lease: ContextLease;
}

let nextId = 1;

/** Makes the client's TLS of a cluster. Undefined, with errors, for what cannot be honoured. */
export function upstreamTransport(
  proto: UpstreamTlsContext,
  secrets: SecretManager,
  stats: TransportStats,
  errors: ConfigErrors,
): UpstreamTransport | undefined {
  return checkedTransport(UpstreamTlsContextSchema, proto, errors, () => new Upstream(proto, secrets, stats, errors));
}

class Upstream implements UpstreamTransport {
  generation = 0;
  readonly #id = nextId++;
  readonly #secrets: SecretManager;
  readonly #stats: TransportStats;
  readonly #material: ContextMaterial;
  readonly #sni: string;
  readonly #autoHostSni: boolean;
  readonly #autoSniSanValidation: boolean;
  readonly #maxSessions: number;
  readonly #enforceRsaKeyUsage: boolean;
  readonly #waiting = new Set<() => void>();
  #generation: Generation | undefined = undefined;
  #stale = true;
  /** Why the secrets that came last cannot be used. */
  #complaint = '';
  #closed = false;

  constructor(proto: UpstreamTlsContext, secrets: SecretManager, stats: TransportStats, errors: ConfigErrors) {
    this.#secrets = secrets;
    this.#stats = stats;
    this.#sni = proto.sni;
    this.#autoHostSni = newerFlag(proto, NewerField.AutoHostSni);
    this.#autoSniSanValidation = newerFlag(proto, NewerField.AutoSniSanValidation);
    this.#maxSessions = proto.maxSessionKeys ?? DEFAULT_SESSIONS;
    this.#enforceRsaKeyUsage = proto.enforceRsaKeyUsage ?? false;
    if (Buffer.byteLength(proto.sni) > MAX_SNI) errors.add('sni', `must not be longer than ${MAX_SNI} bytes`);
    if (proto.allowRenegotiation) errors.add('allow_renegotiation', 'is not supported: renegotiation is insecure');
    const common = errors.at('common_tls_context');
    const context = proto.commonTlsContext;
    for (const field of ['tlsCertificates', 'tlsCertificateSdsSecretConfigs'] as const) {
      if ((context?.[field].length ?? 0) > 1) {
        common.add('', 'Multiple TLS certificates are not supported for client contexts');
      }
    }
    const before = errors.list.length;
    this.#material = new ContextMaterial(context, false, secrets, common, () => this.#changed());
    if (errors.list.length === before) this.#checkNow(errors);
  }

  #checkNow(errors: ConfigErrors): void {
    if (this.#material.certain && !this.#autoSniSanValidation) return;
    const before = errors.list.length;
    const common = errors.at('common_tls_context');
    const material = this.#material.read(common);
    if (material === undefined || errors.list.length > before) return;
    if (this.#autoSniSanValidation && !material.policy.trust) {
      errors.add('auto_sni_san_validation', 'was configured without configuring a trusted CA');
    } else if (this.#current() === undefined) {
      common.add('', this.#complaint);
    }
  }

  #changed(): void {
    this.#stale = true;
    if (this.#generation) {
      this.#stats.factory.ssl_context_update_by_sds++;
      this.generation++;
    }
    if (this.settled) this.#tell();
  }

  get settled(): boolean {
    return this.#material.settled;
  }

  get ready(): boolean {
    return this.#material.missing.length === 0;
  }

  whenSettled(callback: () => void): { cancel(): void } {
    const entry = () => callback();
    this.#waiting.add(entry);
    if (this.settled) process.nextTick(() => this.#tell());
    return { cancel: () => this.#waiting.delete(entry) };
  }

  #tell(): void {
    for (const callback of [...this.#waiting]) {
      if (this.#waiting.delete(callback)) callback();
    }
  }

  get certificates(): CertificateFacts[] {
    return this.#material.certificates;
  }

  connect(raw: net.Socket, override: UpstreamTlsOverride, done: (outcome: TlsOutcome) => void): Handshake {
    const generation = this.#current();
    if (generation === undefined) {
      this.#stats.factory.upstream_context_secrets_not_ready++;
      return refuseSoon(raw, secretsMissing(this.#material.missing, this.#material.complaint || this.#complaint), done);
    }
    const { material, lease } = generation;
    const sni = override.sni || (this.#autoHostSni && override.hostname) || this.#sni;
    const other = override.alpn ?? (this.#material.alpnWire ? undefined : override.defaultAlpn);
    const alpn = other ?? this.#material.alpn;
    const alpnWire = other ? encodeAlpn(other, new ConfigErrors()) : this.#material.alpnWire;
    const facts: HandshakeFacts = {
      peerRole: 'server',
      sni,
      alpn,
      own: material.keyPairs[0],
      policy: material.policy,
    };
    const max = material.policy.needsChain ? 0 : this.#maxSessions;
    const sessionKey = `${this.#id}.${this.generation} ${raw.remoteAddress ?? ''} ${raw.remotePort ?? ''} ${sni}`;
    const kept = max > 0 ? this.#secrets.sessions.take(sessionKey) : undefined;
    let peer: PeerChain | undefined;
    return shakeHands(
      raw,
      {
        socketOptions: {
          secureContext: lease.context,
          isServer: false,
          requestCert: true,
          requirePeerCertificate: false,
          alpn: alpnWire,
          servername: sni,
          session: kept?.session,
        },
        facts,
        mayRefuse: true,
        judge: (socket) => {
          peer = this.#peerOf(socket, kept);
          return this.#judge(socket, peer, material, facts, override);
        },
        admitted: (socket) => {
          if (peer === undefined || max === 0) return;
          const from = peer;
          const keep = (session: Buffer) => {
            if (generation === this.#generation) this.#secrets.sessions.put(sessionKey, { session, peer: from }, max);
          };
          // OpenSSL's servers send no new ticket where one was used. That an observer could see it come again (RFC 8446
          // appendix C.4) matters to people, not between two proxies; a server that minds sends a new one.
          if (kept && socket.isSessionReused()) keep(kept.session);
          onSession(socket, keep);
        },
        failed: (error) => this.#stats.ssl.failed(error),
      },
      done,
    );
  }

  #peerOf(socket: tls.TLSSocket, kept: KeptSession | undefined): PeerChain | undefined {
    if (socket.isSessionReused()) return kept?.peer;
    const x509 = socket.getPeerX509Certificate();
    return x509 && this.#secrets.peerCertificates.read(x509);
  }

  #judge(
    socket: tls.TLSSocket,
    peer: PeerChain | undefined,
    { policy, keyPairs }: Material,
    facts: HandshakeFacts,
    override: UpstreamTlsOverride,
  ): Judgement {
    const version = socket.getProtocol() ?? '';
    const resumed = socket.isSessionReused();
    const admission = admit({
      peerRole: 'server',
      policy,
      certificateRequired: true,
      peer,
      verdict: chainVerdict(socket),
      version,
      expectedNames: override.subjectAltNames ?? [],
      expectedServerName: this.#autoSniSanValidation ? facts.sni : undefined,
      enforceRsaKeyUsage: this.#enforceRsaKeyUsage,
      now: this.#secrets.now(),
    });
    const { ssl } = this.#stats;
    if (!admission.admitted) {
      ssl.refused(admission.statistic);
      return { failure: refused(admission, peer, version, facts), alert: admission.alert };
    }
    if (resumed) ssl.session_reused++;
    const certificate = peer && this.#secrets.peerCertificates.facts(peer, admission.validated);
    const info = connectionInfo(socket, { version, resumed, sni: facts.sni, peer: certificate, own: keyPairs[0] });
    ssl.negotiated(info.cipher, version);
    return { info };
  }

  #current(): Generation | undefined {
    if (!this.#stale || this.#closed) return this.#generation;
    const material = this.#material.current();
    if (material === undefined) return undefined;
    this.#stale = false;
    if (material === this.#generation?.material) return this.#generation;
    try {
      const lease = this.#lease(material);
      this.#generation?.lease.release();
      this.#generation = { material, lease };
    } catch (error) {
      this.#complaint = messageOf(error);
      if (this.#generation) this.#secrets.log.warn(`TLS keeps its last secrets: ${this.#complaint}`);
    }
    return this.#generation;
  }

  /** Throws what OpenSSL says against the material. */
  #lease({ keyPairs, policy }: Material): ContextLease {
    return this.#secrets.secureContexts.acquire(
      {
        isServer: false,
        parameters: this.#material.parameters,
        keyPair: keyPairs[0],
        policy,
        requiresCertificate: true,
        tickets: { kind: 'off' },
        sessionTimeoutSeconds: 0,
      },
      0,
    );
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#material.close();
    this.#stats.release();
    this.#generation?.lease.release();
    this.#generation = undefined;
  }
}

/** A boolean field that our copy of the API does not have; from the wire it is a varint. */
function newerFlag(proto: UpstreamTlsContext, number: number): boolean {
  const field = proto.$unknown?.findLast(({ no, wireType }) => no === number && wireType === 0);
  return field !== undefined && field.data[0] !== 0;
}
