import {
  decodeDeltaDiscoveryRequest,
  decodeDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
  encodeDiscoveryResponse,
} from '../session/codec.ts';
import { DeltaServer } from '../session/delta-server.ts';
import type { DeltaDiscoveryRequest, DiscoveryRequest, ServedResponse, StatusDetail } from '../session/messages.ts';
import type { ServerSession } from '../session/server-session.ts';
import { SotwServer } from '../session/sotw-server.ts';

/** A request, as far as it is looked at before its session gets it. */
export interface AnyRequest {
  readonly typeUrl: string;
  readonly node?: Uint8Array;
  readonly responseNonce: string;
  readonly errorDetail?: StatusDetail;
}

/** A variant of the protocol, as far as a server has to know which it speaks. */
export interface ServerVariant<Request extends AnyRequest> {
  decode(bytes: Uint8Array): Request;
  /** The names that a request mentions, for bounds and for answers made on the spot. */
  names(request: Request): readonly string[];
  encode(response: ServedResponse, controlPlane: string): Uint8Array;
  session(typeUrl: string): ServerSession<Request>;
}

/** State of the world. */
export const sotw: ServerVariant<DiscoveryRequest> = {
  decode: decodeDiscoveryRequest,
  names: (request) => request.resourceNames,
  encode: encodeDiscoveryResponse,
  session: (typeUrl) => new SotwServer(typeUrl),
};

/** Incremental. */
export const delta: ServerVariant<DeltaDiscoveryRequest> = {
  decode: decodeDeltaDiscoveryRequest,
  names: (request) => request.subscribe,
  encode: encodeDeltaDiscoveryResponse,
  session: (typeUrl) => new DeltaServer(typeUrl),
};
