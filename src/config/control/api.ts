import type { ConfigMessage } from '../message.ts';
import type { Rejection } from '../store/snapshot.ts';
import type { ApplyResult, RemoveResult } from '../store/store.ts';

/**
 * The interface by which tools on the same machine read and change the configuration of a running control plane: JSON
 * over HTTP on a Unix socket that only its owner can open. Objects go over it whole, secrets included.
 */

/** A text with documents, and the name that messages about it give. */
export interface SourceText {
  readonly name: string;
  readonly text: string;
  /** Absolute path of the file that it was read from; absent for what no file has. */
  readonly path?: string;
}

/** `POST /v1/apply`. */
export interface ApplyRequest {
  readonly sources: readonly SourceText[];
  /** Namespace of objects that name none. */
  readonly namespace?: string;
  readonly dryRun?: boolean;
  /** Answer when every affected proxy has acknowledged the change, or after so many milliseconds. */
  readonly waitMs?: number;
}

export interface ApplyResponse {
  readonly results: readonly ApplyResult[];
  /** Documents that could not be read at all. */
  readonly problems: readonly ConfigMessage[];
  /** Number of the snapshot that has the change. */
  readonly snapshot: number;
  readonly convergence?: ConvergenceState;
}

/** `POST /v1/delete`. */
export interface DeleteRequest {
  readonly keys: readonly string[];
  readonly dryRun?: boolean;
  readonly waitMs?: number;
}

export interface DeleteResponse {
  readonly results: readonly RemoveResult[];
  readonly snapshot: number;
  readonly convergence?: ConvergenceState;
}

/** `POST /v1/runtime`: the mesh's own objects, which stand before all others. */
export interface RuntimeRequest {
  /** Objects as JSON. */
  readonly apply: readonly unknown[];
  /** Keys. */
  readonly remove: readonly string[];
}

export interface RuntimeResponse {
  /** What is wrong with objects that were not taken over. */
  readonly problems: readonly ConfigMessage[];
  readonly snapshot: number;
}

/** How far a snapshot has got among the proxies. */
export interface ConvergenceState {
  readonly snapshot: number;
  readonly converged: boolean;
  readonly affected: readonly string[];
  readonly synced: readonly string[];
  readonly laggards: readonly { readonly proxy: string; readonly reason: string }[];
}

/** An object that is in force. */
export interface ObjectState {
  readonly key: string;
  /** Kind as the mesh tells kinds apart (`KindDefinition.id`). */
  readonly kind: string;
  readonly raw: Readonly<Record<string, unknown>>;
  readonly creationTimestamp: number;
  readonly generation: number;
  readonly at: { readonly file: string; readonly line?: number; readonly column?: number };
}

/** `GET /v1/objects?kind=A&kind=B&namespace=N&name=X`; with `written=true` without the objects that the mesh itself adds. */
export interface ObjectsResponse {
  readonly snapshot: number;
  readonly objects: readonly ObjectState[];
}

/**
 * Lines of `GET /v1/watch?kind=A&kind=B&written=true`: first everything, then each change; without a kind also when
 * only refusals and warnings have changed.
 */
export interface WatchEvent {
  readonly snapshot: number;
  readonly objects: readonly ObjectState[];
  readonly removed: readonly string[];
  /** True on the first line. */
  readonly complete: boolean;
}

/** `GET /v1/state`. */
export interface StateResponse {
  readonly snapshot: number;
  readonly objects: number;
  readonly rejected: readonly Rejection[];
  readonly warnings: readonly ConfigMessage[];
  readonly proxies: readonly ProxyState[];
  /** Refusals that stand: what the proxy has is older than what it was sent. */
  readonly nacks: readonly { readonly proxy: string; readonly message: string }[];
}

export interface ProxyState {
  readonly id: string;
  readonly version: string;
  readonly connected: boolean;
  /** Undefined if it has all of the present snapshot; otherwise why not. */
  readonly lag: string | undefined;
}

/** What an error answer says. */
export interface ErrorResponse {
  readonly error: string;
}
