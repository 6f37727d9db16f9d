import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { Client, credentials } from '@grpc/grpc-js';
import type { Node } from '../../../src/api/gen/envoy/config/core/v3/base_pb.ts';
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '../../../src/api/gen/envoy/service/discovery/v3/discovery_pb.ts';

const METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';

/** Asks a control plane for resources over one state-of-the-world ADS stream, the way a proxy that starts does. */
export class AdsClient {
  readonly #client: Client;
  readonly #stream;
  readonly #node: Node;
  readonly #waiting = new Map<string, (resources: readonly Any[]) => void>();
  #fail: (error: Error) => void = () => {};
  readonly #failed: Promise<never>;
  #first = true;

  constructor(address: string, node: Node) {
    this.#node = node;
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
    });
    this.#failed = new Promise<never>((_, reject) => (this.#fail = reject));
    this.#failed.catch(() => {});
    this.#stream = this.#client.makeBidiStreamRequest<DiscoveryRequest, DiscoveryResponse>(
      METHOD,
      (request) => Buffer.from(toBinary(DiscoveryRequestSchema, request)),
      (bytes) => fromBinary(DiscoveryResponseSchema, bytes),
    );
    this.#stream.on('error', (error) => this.#fail(error));
    this.#stream.on('data', (response: DiscoveryResponse) => {
      this.#stream.write(
        create(DiscoveryRequestSchema, {
          typeUrl: response.typeUrl,
          versionInfo: response.versionInfo,
          responseNonce: response.nonce,
          resourceNames: this.#names.get(response.typeUrl) ?? [],
        }),
      );
      this.#waiting.get(response.typeUrl)?.(response.resources);
    });
  }

  readonly #names = new Map<string, string[]>();

  /** Resources of a type; an empty list of names asks for all. */
  fetch(typeUrl: string, names: string[] = []): Promise<readonly Any[]> {
    this.#names.set(typeUrl, names);
    const answer = new Promise<readonly Any[]>((resolve) => this.#waiting.set(typeUrl, resolve));
    const request = create(DiscoveryRequestSchema, { typeUrl, resourceNames: names });
    if (this.#first) request.node = this.#node;
    this.#first = false;
    this.#stream.write(request);
    return Promise.race([answer, this.#failed]);
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }
}
