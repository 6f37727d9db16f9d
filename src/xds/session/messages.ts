import type { RawResource } from '../client/config-source.ts';

/** google.rpc.Status without its details. */
export interface StatusDetail {
  readonly code: number;
  readonly message: string;
}

/** A resource as it stands in a response, before anyone judged it. */
export interface ReceivedResource extends RawResource {
  /** False for a heartbeat: name and version without a payload. */
  readonly hasPayload: boolean;
  /** Whether it came with a time to live. */
  readonly hasTtl: boolean;
}

/** envoy.service.discovery.v3.DiscoveryRequest: state of the world. */
export interface DiscoveryRequest {
  readonly typeUrl: string;
  /** Encoded envoy.config.core.v3.Node, on the first request of a stream at least. */
  readonly node?: Uint8Array;
  /** The last version that was accepted, on whatever stream. */
  readonly versionInfo: string;
  readonly resourceNames: readonly string[];
  readonly responseNonce: string;
  /** Present in a NACK. */
  readonly errorDetail?: StatusDetail;
}

/** envoy.service.discovery.v3.DiscoveryResponse. */
export interface DiscoveryResponse {
  readonly typeUrl: string;
  readonly versionInfo: string;
  readonly nonce: string;
  readonly resources: readonly ReceivedResource[];
  /** `control_plane.identifier`. */
  readonly controlPlane: string;
}

/** envoy.service.discovery.v3.DeltaDiscoveryRequest: incremental. */
export interface DeltaDiscoveryRequest {
  readonly typeUrl: string;
  readonly node?: Uint8Array;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Name -> version of what the client has, in the first request of a type on a stream. */
  readonly initialResourceVersions: ReadonlyMap<string, string>;
  readonly responseNonce: string;
  readonly errorDetail?: StatusDetail;
}

/** envoy.service.discovery.v3.DeltaDiscoveryResponse. */
export interface DeltaDiscoveryResponse {
  readonly typeUrl: string;
  readonly systemVersionInfo: string;
  readonly nonce: string;
  readonly resources: readonly ReceivedResource[];
  readonly removed: readonly string[];
  readonly controlPlane: string;
}

/** A resource that a server has. The bytes are the encoded payload, without the Any around it. */
export interface ServedResource {
  readonly name: string;
  /** Changes whenever the bytes do, and only then. */
  readonly version: string;
  readonly bytes: Uint8Array;
  /** Type URL of the payload, where it is not that of the response: answers to Istio's debug types. */
  readonly payloadType?: string;
}

/** What a server is about to send, before it is encoded. `removed` is empty in the state-of-the-world variant. */
export interface ServedResponse {
  readonly typeUrl: string;
  readonly version: string;
  readonly nonce: string;
  readonly resources: readonly ServedResource[];
  readonly removed: readonly string[];
}
