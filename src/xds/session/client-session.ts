import type { RawResource, Rejection } from '../client/config-source.ts';
import type { ReceivedResource, StatusDetail } from './messages.ts';
import { Resource } from './resource-types.ts';

/** What a client wants of one type: everything, particular names, or both. */
export interface Interest {
  readonly wildcard: boolean;
  readonly names: ReadonlySet<string>;
}

/** What one response means to a client. */
export interface ClientUpdate {
  /** New and changed resources that the client asked for. */
  readonly changed: readonly RawResource[];
  /** Names of resources that were accepted before and are gone. */
  readonly removed: readonly string[];
  /** Names that the client asked for and the server says do not exist; only the delta variant can tell. */
  readonly missing: readonly string[];
  /** What is wrong with the response as such; the update will be NACKed whatever becomes of the rest. */
  readonly refused: readonly Rejection[];
  /** The version of the response, for people to read. */
  readonly version: string;
}

/**
 * One side of the conversation about one type on one stream: the client's. It outlives streams, since what was accepted
 * stays accepted. The owner reports events, asks for the request that is due, and sends it; nothing here knows of
 * sockets or time.
 *
 * Between {@link receive} and {@link settle} no request is due, so changes of interest in that time leave with the ACK
 * (xDS protocol: no new request after a response until the client is ready to ACK or NACK).
 */
export interface ClientSession<Request, Response> {
  readonly typeUrl: string;
  /** The last good resources, by name: what an ACK confirmed, and the good ones of a NACKed response. */
  readonly resources: ReadonlyMap<string, RawResource>;
  /** Whether an update waits for {@link settle}. */
  readonly applying: boolean;
  want(interest: Interest): void;
  /** A stream has begun, on which nothing has been said. */
  opened(): void;
  /** The stream is gone. An update that is being applied may still be settled; the answer goes nowhere. */
  closed(): void;
  /** The request that is due now, as if it were sent with this call; undefined if there is nothing to say. */
  request(): Request | undefined;
  /** Takes a response. Not while {@link applying}: the owner keeps it until then. */
  receive(response: Response): ClientUpdate;
  /** The update was applied, except for the rejected names, which keep their last good resource. None means ACK. */
  settle(rejections: readonly Rejection[]): void;
}

/** The resources of a response that can be handed on, and what is wrong with the others. */
export function screen(
  typeUrl: string,
  received: readonly ReceivedResource[],
): { good: Map<string, ReceivedResource>; refused: Rejection[] } {
  const good = new Map<string, ReceivedResource>();
  const refused: Rejection[] = [];
  const twice = new Set<string>();
  for (const resource of received) {
    const { name } = resource;
    if (!resource.hasPayload) refused.push({ name, reason: 'it has no payload, and no time to live was asked for' });
    else if (resource.hasTtl) refused.push({ name, reason: 'it has a time to live, which was not asked for' });
    else if (resource.typeUrl !== typeUrl)
      refused.push({ name, reason: `its type ${resource.typeUrl} is not the type of the response, ${typeUrl}` });
    else if (good.has(name)) twice.add(name);
    else good.set(name, resource);
  }
  // Which of the two was meant is anyone's guess, so neither is taken.
  for (const name of twice) {
    good.delete(name);
    refused.push({ name, reason: 'the response has it more than once' });
  }
  return { good, refused };
}

/** Envoy answers any failure with `Status::WellKnownGrpcStatus::Internal`. */
const INTERNAL = 13;
/** Envoy cuts the text of a NACK here, so that it fits into a frame. */
const MAX_NACK_MESSAGE = 4096;

/** The `error_detail` of a NACK, in the words of Envoy's listener and cluster managers. */
export function nackDetail(typeUrl: string, rejections: readonly Rejection[]): StatusDetail {
  const list = (separator: string) => rejections.map((r) => `${r.name}: ${r.reason}`).join(separator);
  let message: string;
  if (typeUrl === Resource.Cluster) message = `Error adding/updating cluster(s) ${list(', ')}`;
  else if (typeUrl === Resource.Listener) message = `Error adding/updating listener(s) ${list('\n')}`;
  else message = list('\n');
  return { code: INTERNAL, message: cut(message) };
}

function cut(message: string): string {
  return message.length <= MAX_NACK_MESSAGE ? message : `${message.slice(0, MAX_NACK_MESSAGE - 14)}...(truncated)`;
}

/** A resource to keep. Versions of the state-of-the-world variant are the response's. */
export function keepable(typeUrl: string, resource: ReceivedResource, version: string, copy: boolean): RawResource {
  const bytes = copy ? new Uint8Array(resource.bytes) : resource.bytes;
  return { name: resource.name, version: resource.version || version, typeUrl, bytes };
}

/**
 * Whether resources that are to be kept out of a response should be copied: they are views of its bytes, and a few
 * small ones would hold the whole of it in memory.
 */
export function shouldCopy(kept: readonly ReceivedResource[], received: readonly ReceivedResource[]): boolean {
  const size = (list: readonly ReceivedResource[]) => list.reduce((sum, r) => sum + r.bytes.length, 0);
  return kept.length > 0 && 2 * size(kept) < size(received);
}
