import { type Clock, systemClock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { type GrpcMethod, type GrpcServerCall, OK } from '../../wire/grpc/server.ts';
import { DiscoveryStream } from '../../xds/server/discovery-stream.ts';
import type { ResourceView } from '../../xds/server/resource-view.ts';
import { type AnyRequest, delta, type ServerVariant, sotw } from '../../xds/server/variant.ts';
import type { ServedResource } from '../../xds/session/messages.ts';
import { Resource } from '../../xds/session/resource-types.ts';
import { secretResource } from './resource.ts';
import type { Secrets } from './secrets.ts';

const SERVICE = '/envoy.service.secret.v3.SecretDiscoveryService';
const CONTROL_PLANE = 'isthmus-agent';
/** Nothing is pushed in steps here, so that nothing waits for an answer. */
const ACK_TIMEOUT_MS = 5000;

/** The methods of a secret discovery service, by path: for a proxy in a process of its own. */
export function secretDiscoveryMethods(
  secrets: Secrets,
  log: Logger,
  clock: Clock = systemClock,
): ReadonlyMap<string, GrpcMethod> {
  return new Map<string, GrpcMethod>([
    [`${SERVICE}/StreamSecrets`, (call) => new SecretStream(call, sotw, secrets, log, clock)],
    [`${SERVICE}/DeltaSecrets`, (call) => new SecretStream(call, delta, secrets, log, clock)],
  ]);
}

/** One stream of a proxy: follows what it asks for, and sends it whenever it changes. */
class SecretStream<Request extends AnyRequest> {
  readonly #call: GrpcServerCall;
  readonly #secrets: Secrets;
  readonly #stream: DiscoveryStream<Request>;
  readonly #followed = new Map<string, () => void>();
  readonly #resources = new Map<string, ServedResource>();
  #number = 0;
  #scheduled = false;

  constructor(call: GrpcServerCall, variant: ServerVariant<Request>, secrets: Secrets, log: Logger, clock: Clock) {
    this.#call = call;
    this.#secrets = secrets;
    this.#stream = new DiscoveryStream({
      variant,
      clock,
      defaultType: Resource.Secret,
      controlPlane: CONTROL_PLANE,
      ackTimeoutMs: ACK_TIMEOUT_MS,
      send: (message) => call.send(message),
      end: (status) => {
        this.#close();
        call.end(status);
      },
      observer: {
        onNode() {},
        onSent() {},
        onAck() {},
        onNack: ({ names, message }) => log.warn(`the proxy refused the secrets ${names.join(', ')}: ${message}`),
        onStale() {},
        onPushEnd() {},
        onSettled() {},
      },
    });
  }

  onMessage(message: Uint8Array): void {
    this.#stream.receive(message);
    const wanted = new Set(this.#stream.status().flatMap(({ names }) => [...names]));
    for (const [name, stop] of this.#followed) {
      if (wanted.has(name)) continue;
      stop();
      this.#followed.delete(name);
      this.#resources.delete(name);
    }
    for (const name of wanted) {
      if (this.#followed.has(name)) continue;
      const stop = this.#secrets.follow(name, (secret) => {
        this.#resources.set(name, secretResource(secret));
        this.#pushSoon();
      });
      this.#followed.set(name, stop);
    }
  }

  onHalfClose(): void {
    this.#close();
    this.#call.end(OK);
  }

  onCancel(): void {
    this.#close();
  }

  #close(): void {
    for (const stop of this.#followed.values()) stop();
    this.#followed.clear();
    this.#stream.close();
  }

  /**
   * Several secrets often change together. Nothing is pushed before there is something: a stream without a state keeps
   * silent, where one with an empty state would say that a secret does not exist which only has not come.
   */
  #pushSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#push();
    });
  }

  #push(): void {
    const resources = new Map(this.#resources);
    const view: ResourceView = {
      number: ++this.#number,
      all: () => [],
      get: (_typeUrl, name) => resources.get(name),
    };
    this.#stream.push(view);
  }
}
