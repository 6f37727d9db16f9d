import type net from 'node:net';
import type tls from 'node:tls';
import {
  type DownstreamTlsContext,
  DownstreamTlsContextSchema,
  DownstreamTlsContext_OcspStaplePolicy as OcspPolicy,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts';
import { messageOf } from '../../base/errors.ts';
import type { ClientHello } from '../../wire/clienthello/clienthello.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { durationMs } from '../config/values.ts';
import { admit } from './admission.ts';
import { plainAlert } from './alert-record.ts';
import { CertificateSelector } from './certificate-selector.ts';
import { checkedTransport } from './checked-transport.ts';
import { ContextMaterial, type Material } from './context-material.ts';
import { type HandshakeFacts, refused, secretsMissing } from './failure.ts';
import { type Judgement, refuseSoon, shakeHands } from './handshake.ts';
import type { KeyPair } from './key-pair.ts';
import { chainVerdict } from './node-tls.ts';
import { notTlsAlert, notTlsReason } from './openssl-errors.ts';
import type { SecretHandle, SecretManager } from './secrets.ts';
import { type ContextLease, TICKET_KEY_LIFETIME_MS, type TicketSource } from './secure-context.ts';
import type { TransportStats } from './stats.ts';
import { connectionInfo } from './tls-info.ts';
import type { CertificateFacts, DownstreamTransport, Handshake, TlsOutcome } from './transport.ts';

/** BoringSSL's default. */
const SESSION_TIMEOUT_MS = 7_200_000;
const MAX_SESSION_TIMEOUT_S = 2 ** 31 - 1;

interface ServerContext {
  readonly pair: KeyPair;
  readonly lease: ContextLease;
}

/** What new connections are accepted with, until a secret changes. */
interface Generation {
  readonly material: Material;
  readonly requires: boolean;
  readonly selector: CertificateSelector<ServerContext>;
  readonly contexts: readonly ServerContext[];
  readonly epoch: number;
}

/** Makes the server's TLS of a filter chain. Undefined, with errors, for what cannot be honoured. */
export function downstreamTransport(
  proto: DownstreamTlsContext,
  secrets: SecretManager,
  stats: TransportStats,
  errors: ConfigErrors,
): DownstreamTransport | undefined {
  return checkedTransport(
    DownstreamTlsContextSchema,
    proto,
    errors,
    () => new Downstream(proto, secrets, stats, errors),
  );
}

class Downstream implements DownstreamTransport {
  readonly #secrets: SecretManager;
  readonly #stats: TransportStats;
  readonly #material: ContextMaterial;
  readonly #requireClientCertificate: boolean;
  readonly #fullScan: boolean;
  readonly #ticketsOff: boolean;
  readonly #ticketKeys: SecretHandle<Buffer> | undefined;
  readonly #sessionTimeoutSeconds: number;
  #generation: Generation | undefined = undefined;
  #stale = true;
  /** Why the secrets that came last cannot be used. */
  #complaint = '';
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(proto: DownstreamTlsContext, secrets: SecretManager, stats: TransportStats, errors: ConfigErrors) {
    this.#secrets = secrets;
    this.#stats = stats;
    this.#requireClientCertificate = proto.requireClientCertificate ?? false;
    this.#fullScan = proto.fullScanCertsOnSniMismatch ?? false;
    const timeoutMs = durationMs(proto.sessionTimeout, SESSION_TIMEOUT_MS);
    this.#sessionTimeoutSeconds = Math.min(Math.floor(timeoutMs / 1000), MAX_SESSION_TIMEOUT_S);
    if (proto.ocspStaplePolicy === OcspPolicy.MUST_STAPLE) {
      errors.add('ocsp_staple_policy', 'MUST_STAPLE is not supported, because OCSP staples are not');
    }
    const changed = () => {
      this.#stale = true;
      if (this.#generation) stats.factory.ssl_context_update_by_sds++;
      this.#tell();
    };
    const before = errors.list.length;
    const common = errors.at('common_tls_context');
    this.#material = new ContextMaterial(proto.commonTlsContext, true, secrets, common, changed);
    const context = proto.commonTlsContext;
    if (!context?.tlsCertificates.length && !context?.tlsCertificateSdsSecretConfigs.length) {
      common.add('', 'a server needs tls_certificates or tls_certificate_sds_secret_configs');
    }
    const tickets = proto.sessionTicketKeysType;
    this.#ticketsOff = tickets.case === 'disableStatelessSessionResumption' && tickets.value;
    this.#ticketKeys =
      tickets.case === 'sessionTicketKeys'
        ? secrets.inline('sessionTicketKeys', tickets.value, errors.at('session_ticket_keys'), changed)
        : tickets.case === 'sessionTicketKeysSdsSecretConfig'
          ? secrets.named(
              'sessionTicketKeys',
              tickets.value,
              errors.at('session_ticket_keys_sds_secret_config'),
              changed,
            )
          : undefined;
    if (errors.list.length === before) this.#checkNow(errors);
  }

  /** Finds what is wrong with secrets that are there already while somebody can still be told. */
  #checkNow(errors: ConfigErrors): void {
    const before = errors.list.length;
    const material = this.#material.read(errors.at('common_tls_context'));
    if (material === undefined || errors.list.length > before) return;
    const problem = this.#problemWith(material);
    if (problem) errors.add('require_client_certificate', problem);
    else if (this.#current() === undefined && this.ready) errors.add('common_tls_context', this.#complaint);
  }

  /** Envoy takes a context that requires certificates and verifies none, and lets everybody in. */
  #problemWith({ policy }: Material): string | undefined {
    if (!this.#requireClientCertificate || policy.asks) return undefined;
    return 'needs a validation context with trusted_ca or hashes: without one no certificate would be asked for';
  }

  get ready(): boolean {
    return this.#missing().length === 0;
  }

  get settled(): boolean {
    return this.#material.settled && (this.#ticketKeys?.answered ?? true);
  }

  whenSettled(callback: () => void): void {
    this.#waiting.push(callback);
    process.nextTick(() => this.#tell());
  }

  #tell(): void {
    if (this.#waiting.length === 0 || this.#closed || !this.settled) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) callback();
  }

  get certificates(): CertificateFacts[] {
    return this.#material.certificates;
  }

  #missing(): string[] {
    const { missing } = this.#material;
    if (this.#ticketKeys && this.#ticketKeys.value === undefined) missing.push(this.#ticketKeys.name);
    return missing;
  }

  accept(raw: net.Socket, hello: ClientHello, done: (outcome: TlsOutcome) => void): Handshake {
    const generation = this.#current();
    if (generation === undefined) {
      this.#stats.factory.downstream_context_secrets_not_ready++;
      return refuseSoon(raw, secretsMissing(this.#missing(), this.#material.complaint || this.#complaint), done);
    }
    const { pair, lease } = generation.selector.select(hello);
    const { policy } = generation.material;
    const facts: HandshakeFacts = { peerRole: 'client', sni: hello.sni, alpn: hello.alpn, own: pair, policy };
    const overlap = hello.alpn.some((protocol) => this.#material.alpn.includes(protocol));
    return shakeHands(
      raw,
      {
        socketOptions: {
          secureContext: lease.context,
          isServer: true,
          requestCert: policy.asks,
          requirePeerCertificate: generation.requires,
          // Without overlap Node would end the handshake; Envoy goes on without ALPN.
          alpn: overlap ? this.#material.alpnWire : undefined,
        },
        facts,
        mayRefuse: policy.asks,
        judge: (socket) => this.#judge(socket, generation, pair, facts),
        failed: (error) => this.#stats.ssl.failed(error),
      },
      done,
    );
  }

  refusePlaintext(socket: net.Socket, start: Uint8Array, inspected: boolean): string {
    this.#stats.ssl.connection_error++;
    const alert = notTlsAlert(start);
    if (alert !== undefined && socket.writable) socket.write(plainAlert(alert));
    return notTlsReason(start, inspected);
  }

  #judge(socket: tls.TLSSocket, { material, requires }: Generation, pair: KeyPair, facts: HandshakeFacts): Judgement {
    const { policy } = material;
    const x509 = policy.asks ? socket.getPeerX509Certificate() : undefined;
    const peer = x509 && this.#secrets.peerCertificates.read(x509);
    const version = socket.getProtocol() ?? '';
    const resumed = socket.isSessionReused();
    const admission = admit({
      peerRole: 'client',
      policy,
      certificateRequired: requires,
      peer,
      verdict: policy.asks ? chainVerdict(socket) : undefined,
      version,
      expectedNames: [],
      expectedServerName: undefined,
      enforceRsaKeyUsage: true,
      now: this.#secrets.now(),
    });
    const { ssl } = this.#stats;
    if (!admission.admitted) {
      ssl.refused(admission.statistic);
      const failure = refused(admission, peer, version, facts);
      const known = {
        version,
        resumed,
        sni: facts.sni,
        peer: peer && this.#secrets.peerCertificates.facts(peer, false),
        own: pair,
      };
      return { failure: { ...failure, info: connectionInfo(socket, known) }, alert: admission.alert };
    }
    if (resumed) ssl.session_reused++;
    if (peer === undefined) ssl.no_certificate++;
    const certificate = peer && this.#secrets.peerCertificates.facts(peer, admission.validated);
    const info = connectionInfo(socket, { version, resumed, sni: facts.sni, peer: certificate, own: pair });
    ssl.negotiated(info.cipher, version);
    return { info };
  }

  #current(): Generation | undefined {
    const epoch = Math.floor(this.#secrets.now() / TICKET_KEY_LIFETIME_MS);
    if ((!this.#stale && this.#generation?.epoch === epoch) || this.#closed) return this.#generation;
    if (this.#ticketKeys && this.#ticketKeys.value === undefined) return undefined;
    const material = this.#material.current();
    if (material === undefined) return undefined;
    this.#stale = false;
    try {
      const next = this.#build(material, epoch);
      for (const { lease } of this.#generation?.contexts ?? []) lease.release();
      this.#generation = next;
    } catch (error) {
      this.#complaint = messageOf(error);
      if (this.#generation) this.#secrets.log.warn(`TLS keeps its last secrets: ${this.#complaint}`);
    }
    return this.#generation;
  }

  /** Throws why the material cannot be used. */
  #build(material: Material, epoch: number): Generation {
    const problem = this.#problemWith(material);
    if (problem) throw new Error(`require_client_certificate ${problem}`);
    const { policy, keyPairs } = material;
    const requires = policy.requires || this.#requireClientCertificate;
    const contexts: ServerContext[] = [];
    try {
      for (const pair of keyPairs) contexts.push({ pair, lease: this.#lease(pair, material, requires, epoch) });
    } catch (error) {
      for (const { lease } of contexts) lease.release();
      throw error;
    }
    const entries = contexts.map((context) => [context.pair, context] as const);
    const selector = new CertificateSelector(entries, this.#fullScan);
    return { material, requires, selector, contexts, epoch };
  }

  #lease(keyPair: KeyPair, { policy }: Material, requiresCertificate: boolean, epoch: number): ContextLease {
    const off: TicketSource = { kind: 'off' };
    const secret = this.#ticketKeys?.value ?? this.#secrets.ticketSecret;
    return this.#secrets.secureContexts.acquire(
      {
        isServer: true,
        parameters: this.#material.parameters,
        keyPair,
        policy,
        requiresCertificate,
        tickets: this.#ticketsOff || policy.needsChain ? off : { kind: 'secret', secret },
        sessionTimeoutSeconds: this.#sessionTimeoutSeconds,
      },
      // Keys that somebody configured are replaced by whoever did.
      this.#ticketKeys ? 0 : epoch,
    );
  }

  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#material.close();
    this.#stats.release();
    this.#ticketKeys?.close();
    for (const { lease } of this.#generation?.contexts ?? []) lease.release();
    this.#generation = undefined;
  }
}
