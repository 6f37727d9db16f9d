import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { GrpcCode } from '../../wire/grpc/transport.ts';
import { DiscoveryStream } from '../../xds/client/stream.ts';
import { encodeDiscoveryRequest } from '../../xds/session/codec.ts';
import type { GrpcChannel } from '../grpc-channel.ts';

export interface HealthReporterOptions {
  readonly channel: GrpcChannel;
  /** Encoded envoy.config.core.v3.Node: the proxy's. */
  readonly node: Uint8Array;
  readonly clock: Clock;
  readonly log: Logger;
}

const METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
const HEALTH = 'type.googleapis.com/istio.v1.HealthInformation';
/** HTTP's, as pilot-agent has it. */
const UNHEALTHY = 500;
const RECONNECT = { initialMs: 500, maxMs: 5_000 };

/**
 * Tells the control plane how the program is (istio.v1.HealthInformation over ADS): at every change, and again on every
 * new stream, because what it was told on the last one it may have forgotten.
 */
export class HealthReporter {
  readonly #options: HealthReporterOptions;
  readonly #stream: DiscoveryStream;
  #problem: string | undefined;
  #nodeSent = false;

  constructor(options: HealthReporterOptions) {
    const { channel, clock, log } = options;
    this.#options = options;
    this.#stream = new DiscoveryStream({
      transport: channel,
      clock,
      method: METHOD,
      metadata: () => [],
      backoff: new Backoff(RECONNECT),
      onOpen: () => {
        this.#nodeSent = false;
        this.#send();
      },
      onMessage: () => {},
      onClose: ({ code, message }) => {
        if (code !== GrpcCode.Ok) log.warn(`the health of the program cannot be told: ${code}, ${message}`);
      },
    });
  }

  /** `problem` undefined is well. The first call connects. */
  tell(problem: string | undefined): void {
    this.#problem = problem;
    if (this.#stream.open) this.#send();
    else this.#stream.start();
  }

  close(): void {
    this.#stream.close();
    this.#options.channel.close();
  }

  #send(): void {
    const node = this.#nodeSent ? undefined : this.#options.node;
    this.#nodeSent = true;
    this.#stream.send(
      encodeDiscoveryRequest({
        typeUrl: HEALTH,
        versionInfo: '',
        resourceNames: [],
        responseNonce: '',
        ...(node && { node }),
        ...(this.#problem !== undefined && { errorDetail: { code: UNHEALTHY, message: this.#problem } }),
      }),
    );
  }
}
