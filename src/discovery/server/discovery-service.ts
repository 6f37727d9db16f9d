import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { WorkloadIdentity } from '../../base/spiffe.ts';
import type { Authenticator } from '../../ca/tokens/authenticator.ts';
import { parseNode } from '../../translate/node.ts';
import {
  DiscoveryStream,
  type DiscoveryStreamObserver,
  type DiscoveryStreamOptions,
  type Questions,
  type SentResponse,
} from '../../xds/server/discovery-stream.ts';
import { decodeNode, type Node } from '../../xds/server/node.ts';
import type { CallHandler, DiscoveryMethod } from '../../xds/server/services.ts';
import { GrpcCode, type GrpcStatus } from '../../xds/server/status.ts';
import { type AnyRequest, delta, sotw } from '../../xds/server/variant.ts';
import type { PilotMetrics } from '../metrics/pilot.ts';
import { type ConnectedProxy, newProgress, type ProxyStream } from '../proxies/connected-proxy.ts';
import { describeNack, recordNack } from '../proxies/nack.ts';
import type { ProxyRegistry } from '../proxies/proxy-registry.ts';
import { shortType } from '../proxies/type-names.ts';
import type { PushScheduler } from '../push/scheduler.ts';
import { authenticate, identityProblem, type StreamPeer } from './authentication.ts';

export interface DiscoveryServiceOptions {
  readonly proxies: ProxyRegistry;
  readonly scheduler: PushScheduler;
  readonly metrics: PilotMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  /** `control_plane.identifier` of every response. */
  readonly controlPlane: string;
  readonly ackTimeoutMs: number;
  /** Whether names must match identities (`PILOT_ENABLE_XDS_IDENTITY_CHECK`). */
  readonly checkIdentity: boolean;
  /** Answers to Istio's debug types, for those who may ask. */
  readonly questions: (identity: WorkloadIdentity | undefined, nodeId: string) => Questions;
  /** Told what an agent says of the program beside it; `problem` undefined is well. */
  readonly onHealth: (proxy: ConnectedProxy, problem: string | undefined) => void;
}

/** What an agent tells of the health of its workload: a request with an error, or without one. It wants no answer. */
const HEALTH = 'type.googleapis.com/istio.v1.HealthInformation';

/** Messages that may wait while a client is authenticated: the first requests of a bootstrap. */
const MAX_EARLY_MESSAGES = 32;

/**
 * Takes discovery streams on: finds out who is there, makes a {@link ConnectedProxy} of it, and tells scheduler,
 * metrics and log what happens on its stream.
 */
export class DiscoveryService {
  readonly #options: DiscoveryServiceOptions;

  constructor(options: DiscoveryServiceOptions) {
    this.#options = options;
  }

  /** Serves a call. Without authenticators everyone is served, and nobody has an identity: the plaintext port. */
  open(
    peer: StreamPeer,
    method: DiscoveryMethod,
    authenticators: readonly Authenticator[] | undefined,
    send: (message: Uint8Array) => void,
    end: (status: GrpcStatus) => void,
  ): CallHandler {
    const connection = (identity: WorkloadIdentity | undefined) =>
      new Connection(this.#options, peer, method, identity, send, end);
    if (!authenticators) return connection(undefined);

    let handler: CallHandler | undefined;
    let closed = false;
    const early: Uint8Array[] = [];
    const refused = (reason: string) =>
      this.#options.log.warn(`Failed to authenticate client from ${peer.address}: ${reason}`);
    authenticate(peer, authenticators, refused).then(
      (who) => {
        if (closed) return;
        if ('code' in who) {
          closed = true;
          end(who);
          return;
        }
        handler = connection(who);
        for (const message of early.splice(0)) handler.receive(message);
      },
      (error) => {
        this.#options.log.error(`authentication failed: ${messageOf(error)}`);
        if (!closed) end({ code: GrpcCode.Internal, message: 'authentication failure' });
        closed = true;
      },
    );
    return {
      receive: (message) => {
        if (closed) return;
        if (handler) handler.receive(message);
        else if (early.length < MAX_EARLY_MESSAGES) early.push(message);
        else {
          closed = true;
          end({ code: GrpcCode.ResourceExhausted, message: 'too many requests before authentication' });
        }
      },
      close: () => {
        closed = true;
        handler?.close();
      },
    };
  }
}

/** One stream whose client is known. */
class Connection implements CallHandler, DiscoveryStreamObserver {
  readonly #options: DiscoveryServiceOptions;
  readonly #peer: StreamPeer;
  readonly #identity: WorkloadIdentity | undefined;
  readonly #end: (status: GrpcStatus) => void;
  readonly #stream: ProxyStream & CallHandler;
  #proxy: ConnectedProxy | undefined;
  #nodeId = '';

  constructor(
    options: DiscoveryServiceOptions,
    peer: StreamPeer,
    method: DiscoveryMethod,
    identity: WorkloadIdentity | undefined,
    send: (message: Uint8Array) => void,
    end: (status: GrpcStatus) => void,
  ) {
    this.#options = options;
    this.#peer = peer;
    this.#identity = identity;
    this.#end = end;
    const { clock, controlPlane, ackTimeoutMs } = options;
    const questions: Questions = {
      handles: (typeUrl) => typeUrl === HEALTH || options.questions(identity, this.#nodeId).handles(typeUrl),
      answer: (typeUrl, names, error) => {
        if (typeUrl !== HEALTH) return options.questions(identity, this.#nodeId).answer(typeUrl, names, error);
        if (this.#proxy) options.onHealth(this.#proxy, error && (error.message || 'unhealthy'));
        return undefined;
      },
    };
    const common = {
      clock,
      controlPlane,
      ackTimeoutMs,
      send,
      end,
      questions,
      defaultType: method.typeUrl,
      observer: this,
    };
    this.#stream = method.delta ? open({ ...common, variant: delta }) : open({ ...common, variant: sotw });
  }

  receive(message: Uint8Array): void {
    this.#options.metrics.received(message.length);
    try {
      this.#stream.receive(message);
    } catch (error) {
      this.#options.metrics.internalErrors.add();
      const stack = error instanceof Error ? error.stack : undefined;
      this.#options.log.error(`a discovery stream failed: ${messageOf(error)}`, { stack });
      this.close();
      this.#end({ code: GrpcCode.Internal, message: 'internal error' });
    }
  }

  close(): void {
    this.#stream.close();
    const proxy = this.#proxy;
    if (!proxy || proxy.progress.closed) return;
    const { proxies, scheduler, log, metrics } = this.#options;
    proxies.remove(proxy);
    scheduler.forget(proxy);
    metrics.disconnected(proxy);
    log.info(`ADS: "${proxy.peer}" ${proxy.connectionId} terminated`);
  }

  onNode(bytes: Uint8Array): void {
    const { proxies, scheduler, log, checkIdentity, clock } = this.#options;
    const rawNode = this.#readNode(bytes);
    if (!rawNode) return;
    this.#nodeId = rawNode.id;
    const node = parseNode(rawNode);
    if ('problem' in node) {
      this.#refuse(GrpcCode.InvalidArgument, `the node ${node.problem}`);
      return;
    }
    const problem = this.#identity && checkIdentity ? identityProblem(node, this.#identity) : undefined;
    if (problem) {
      this.#refuse(GrpcCode.PermissionDenied, `authorization failed: ${problem}`);
      return;
    }
    const id = `${node.name}.${node.namespace}`;
    const connectionId = proxies.nextConnectionId(id);
    this.#proxy = {
      connectionId,
      id,
      node,
      rawNode,
      identity: this.#identity,
      peer: this.#peer.address,
      connectedAt: clock.now(),
      stream: this.#stream,
      disconnect: (reason) => {
        this.close();
        this.#end({ code: GrpcCode.Unavailable, message: reason });
      },
      progress: newProgress(),
    };
    log.info(`ADS: new connection for node:${connectionId}`);
    proxies.add(this.#proxy);
    scheduler.enqueue(this.#proxy);
  }

  onSent(sent: SentResponse): void {
    const { log, metrics } = this.#options;
    metrics.sent(sent);
    const { node, connectionId } = this.#proxy!;
    log.info(
      `${shortType(sent.typeUrl)}: PUSH for node:${node.name}.${node.namespace} ` +
        `resources:${sent.resources} size:${size(sent.bytes)}`,
    );
    log.debug(`${shortType(sent.typeUrl)}: SENT ${connectionId} nonce:${sent.nonce}`);
  }

  onAck(typeUrl: string, snapshot: number, afterMs: number): void {
    const { log, metrics, proxies } = this.#options;
    const proxy = this.#proxy!;
    metrics.acked(afterMs / 1000);
    if (proxy.progress.nacks.delete(typeUrl)) metrics.rejectionOver(typeUrl, proxy.id);
    log.debug(`ADS:${shortType(typeUrl)}: ACK ${proxy.connectionId} snapshot:${snapshot}`);
    proxies.notify(proxy);
  }

  onNack(nack: Parameters<DiscoveryStreamObserver['onNack']>[0]): void {
    const { clock, log, metrics, proxies } = this.#options;
    const proxy = this.#proxy!;
    const recorded = recordNack(nack, clock.now(), proxy.id, proxy.connectionId);
    proxy.progress.nacks.set(nack.typeUrl, recorded);
    proxies.record(recorded);
    metrics.rejected(nack.typeUrl, proxy.id, nack.code);
    log.warn(`ADS:${shortType(nack.typeUrl)}: ACK ERROR ${proxy.connectionId} ${describeNack(recorded)}`);
    proxies.notify(proxy);
  }

  onStale(typeUrl: string): void {
    this.#options.metrics.expiredNonces.add(1, { type: shortType(typeUrl).toLowerCase() });
  }

  onPushEnd(): void {
    if (this.#proxy) this.#options.scheduler.pushEnded(this.#proxy);
  }

  onSettled(snapshot: number): void {
    if (this.#proxy) this.#options.scheduler.settled(this.#proxy, snapshot);
  }

  #readNode(bytes: Uint8Array): Node | undefined {
    try {
      return decodeNode(bytes);
    } catch (error) {
      this.#refuse(GrpcCode.InvalidArgument, `the node cannot be decoded: ${messageOf(error)}`);
      return undefined;
    }
  }

  #refuse(code: number, message: string): void {
    this.#options.log.warn(`ADS: refused a stream from ${this.#peer.address}: ${message}`);
    this.#stream.close();
    this.#end({ code, message });
  }
}

function open<Request extends AnyRequest>(options: DiscoveryStreamOptions<Request>): ProxyStream & CallHandler {
  return new DiscoveryStream(options);
}

function size(bytes: number): string {
  return bytes < 1024
    ? `${bytes}B`
    : bytes < 1024 ** 2
      ? `${(bytes / 1024).toFixed(1)}kB`
      : `${(bytes / 1024 ** 2).toFixed(1)}MB`;
}
