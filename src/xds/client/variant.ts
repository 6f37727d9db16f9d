import type { ClientSession } from '../session/client-session.ts';
import {
  decodeDeltaDiscoveryResponse,
  decodeDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
  encodeDiscoveryRequest,
} from '../session/codec.ts';
import { DeltaClient } from '../session/delta-client.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../session/messages.ts';
import { SotwClient } from '../session/sotw-client.ts';

/** A variant of the protocol, as far as a client has to know which it speaks. */
export interface Variant<Request, Response> {
  encode(request: Request, node: Uint8Array | undefined): Uint8Array;
  decode(bytes: Uint8Array): Response;
  session(typeUrl: string): ClientSession<Request, Response>;
}

/** A response, as far as it is looked at before its session gets it. */
export interface AnyResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly controlPlane: string;
  readonly resources: readonly unknown[];
}

/** State of the world. */
export const sotw: Variant<DiscoveryRequest, DiscoveryResponse> = {
  encode: (request, node) => encodeDiscoveryRequest(node ? { ...request, node } : request),
  decode: decodeDiscoveryResponse,
  session: (typeUrl) => new SotwClient(typeUrl),
};

/** Incremental. */
export const delta: Variant<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = {
  encode: (request, node) => encodeDeltaDiscoveryRequest(node ? { ...request, node } : request),
  decode: decodeDeltaDiscoveryResponse,
  session: (typeUrl) => new DeltaClient(typeUrl),
};
