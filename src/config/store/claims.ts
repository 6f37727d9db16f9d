import { type ConfigMessage, formatMessage } from '../message.ts';
import type { ConfigObject } from '../object.ts';
import type { ReadEntry, ReadResult } from '../read.ts';
import { duplicate } from './batch.ts';
import { type Identity, sameContent, withIdentity } from './changes.ts';
import type { ObjectsSnapshot } from './objects.ts';
import type { ConfigChange, Rejection } from './snapshot.ts';

interface Claim {
  readonly path: string;
  readonly entry: ReadEntry;
}

/** What files say about objects, as of the last time that they were read. */
interface FileClaims {
  readonly entries: readonly ReadEntry[];
  readonly byKey: ReadonlyMap<string, readonly ReadEntry[]>;
  readonly problems: readonly ConfigMessage[];
  /** Whether every object of the file is known: it could be parsed, and each document says who it is. */
  readonly complete: boolean;
}

/** An accepted object from an earlier life of the store. */
export interface Restored extends Identity {
  readonly key: string;
  /** The file that it was accepted from. */
  readonly path: string;
  readonly object: ConfigObject;
}

/**
 * Decides which version of each object is in force, from what the files say. The rules:
 * - A document that is valid is in force. One that is not leaves the last version that was.
 * - An object is gone when no file has it any more. As long as the file that had it cannot be read to the end, it stays.
 * - Of two documents for one object the one that is in force already stays so; of new ones the first does, by path and
 *   position. The other is refused.
 */
export class Claims {
  private readonly files = new Map<string, FileClaims>();
  /** Paths of the files that have a document for the object. */
  private readonly claimants = new Map<string, Set<string>>();
  /** The file whose version is in force, and the keys by file. */
  private readonly owners = new Map<string, string>();
  private readonly owned = new Map<string, Set<string>>();
  /** Files of which the objects in force differ from what was last handed out by `takeDirty`. */
  private dirty = new Set<string>();
  private readonly fileRejections = new Map<string, readonly Rejection[]>();
  private readonly keyRejections = new Map<string, readonly Rejection[]>();
  private readonly fileWarnings = new Map<string, readonly ConfigMessage[]>();
  private readonly keyWarnings = new Map<string, readonly ConfigMessage[]>();

  /** Puts objects in force that were so before the store was started. */
  restore(objects: readonly Restored[], snapshot: ObjectsSnapshot): ObjectsSnapshot {
    const changes = new Map<string, ConfigObject>();
    for (const { key, path, object, created, generation } of objects) {
      changes.set(key, withIdentity(object, { created, generation }));
      this.own(key, path);
    }
    this.dirty.clear();
    return snapshot.next(changes, [], []);
  }

  /** The file whose version of the object is in force. */
  ownerOf(key: string): string | undefined {
    return this.owners.get(key);
  }

  /** Keys of the objects that are in force by this file. */
  ownedBy(path: string): Iterable<string> {
    return this.owned.get(path) ?? [];
  }

  /** Whether the file of the version in force cannot be read to the end, so that the object may be in it unseen. */
  isUncertain(key: string): boolean {
    return this.mayStillHave(this.owners.get(key));
  }

  /** Files of which the objects in force have changed since the last call. */
  takeDirty(): ReadonlySet<string> {
    const paths = this.dirty;
    this.dirty = new Set();
    return paths;
  }

  /** The documents of a file for an object. */
  documentsOf(path: string, key: string): readonly ReadEntry[] {
    return this.files.get(path)?.byKey.get(key) ?? [];
  }

  /** Files that have a document for the object, valid or not. */
  claimantsOf(key: string): Iterable<string> {
    return this.claimants.get(key) ?? [];
  }

  /** Takes in files that were read anew; undefined is a file that is gone. Returns undefined when nothing changes. */
  update(
    changed: ReadonlyMap<string, ReadResult | undefined>,
    snapshot: ObjectsSnapshot,
    now: number,
  ): (Omit<ConfigChange, 'snapshot'> & { readonly snapshot: ObjectsSnapshot }) | undefined {
    const touched = new Set<string>();
    for (const [path, result] of changed) this.replaceFile(path, result, touched);
    const changes = new Map<string, ConfigObject | undefined>();
    const outcome = { added: [] as string[], updated: [] as string[], removed: [] as string[], moved: [] as string[] };
    let told = false;
    for (const key of touched) {
      const before = snapshot.find(key);
      const claims = this.claimsOf(key);
      const owner = this.owners.get(key);
      const winner = pickWinner(claims, owner, before !== undefined);
      if (winner !== undefined) {
        const sameAsBefore = before !== undefined && sameContent(before, winner.entry.object!);
        this.own(key, winner.path);
        if (sameAsBefore && !changed.has(winner.path)) {
          told = this.retellKey(key, claims, winner, true) || told;
          continue;
        }
        if (!sameAsBefore) this.dirty.add(winner.path);
        const generation = (before?.metadata.generation ?? 0) + (sameAsBefore ? 0 : 1);
        const created = before?.metadata.creationTimestamp ?? now;
        changes.set(key, withIdentity(winner.entry.object!, { created, generation }));
        outcome[before === undefined ? 'added' : sameAsBefore ? 'moved' : 'updated'].push(key);
      } else if (before !== undefined && claims.length === 0 && !this.mayStillHave(owner)) {
        changes.set(key, undefined);
        this.disown(key);
        outcome.removed.push(key);
      }
      told = this.retellKey(key, claims, winner, before !== undefined) || told;
    }
    for (const path of new Set([...changed.keys(), ...this.dirty])) told = this.retellFile(path) || told;
    if (changes.size === 0 && !told) return undefined;
    const next = snapshot.next(
      changes,
      this.rejections(),
      [...this.fileWarnings.values(), ...this.keyWarnings.values()].flat(),
    );
    return { ...outcome, snapshot: next };
  }

  private replaceFile(path: string, result: ReadResult | undefined, touched: Set<string>): void {
    for (const { key } of this.files.get(path)?.entries ?? []) {
      if (key === undefined) continue;
      touched.add(key);
      this.claimants.get(key)?.delete(path);
      if (this.claimants.get(key)?.size === 0) this.claimants.delete(key);
    }
    for (const key of this.owned.get(path) ?? []) touched.add(key);
    if (result === undefined) {
      this.files.delete(path);
      return;
    }
    const { entries, problems } = result;
    const complete = problems.length === 0 && entries.every((e) => e.key !== undefined || e.unused);
    const byKey = Map.groupBy(
      entries.filter((e) => e.key !== undefined),
      (e) => e.key!,
    );
    this.files.set(path, { entries, byKey, problems, complete });
    for (const key of byKey.keys()) {
      touched.add(key);
      const paths = this.claimants.get(key) ?? new Set();
      this.claimants.set(key, paths.add(path));
    }
  }

  /** All documents for an object, in the order of paths and of documents in a file. */
  private claimsOf(key: string): Claim[] {
    const paths = [...(this.claimants.get(key) ?? [])].sort();
    return paths.flatMap((path) => this.documentsOf(path, key).map((entry) => ({ path, entry })));
  }

  private mayStillHave(path: string | undefined): boolean {
    return path !== undefined && this.files.get(path)?.complete === false;
  }

  private own(key: string, path: string): void {
    if (this.owners.get(key) === path) return;
    this.disown(key);
    this.dirty.add(path);
    this.owners.set(key, path);
    const keys = this.owned.get(path) ?? new Set();
    this.owned.set(path, keys.add(key));
  }

  private disown(key: string): void {
    const path = this.owners.get(key);
    if (path === undefined) return;
    this.owners.delete(key);
    this.dirty.add(path);
    const keys = this.owned.get(path)!;
    keys.delete(key);
    if (keys.size === 0) this.owned.delete(path);
  }

  /** Renews what is told about a file as such; returns whether that differs from before. */
  private retellFile(path: string): boolean {
    const file = this.files.get(path);
    const unnamed = (file?.entries ?? []).filter((e) => e.key === undefined && e.errors.length > 0);
    const messages = [...(file?.problems ?? []), ...unnamed.flatMap((e) => e.errors)];
    const lastGood = (this.owned.get(path)?.size ?? 0) > 0;
    const rejections = messages.length === 0 ? [] : [{ key: path, messages, lastGood }];
    const warnings = (file?.entries ?? []).filter((e) => e.key === undefined).flatMap((e) => e.warnings);
    const rejectionsDiffer = setOrDelete(this.fileRejections, path, rejections, sameRejections);
    return setOrDelete(this.fileWarnings, path, warnings, sameMessages) || rejectionsDiffer;
  }

  /** Renews what is told about an object; returns whether that differs from before. */
  private retellKey(key: string, claims: readonly Claim[], winner: Claim | undefined, lastGood: boolean): boolean {
    const chosen = winner ?? claims.find((c) => c.path === this.owners.get(key)) ?? claims[0];
    const rejections = claims
      .filter((claim) => claim !== winner)
      .map(({ entry }): Rejection => {
        const messages = entry.errors.length > 0 ? entry.errors : [duplicate(entry, chosen!.entry)];
        return { key, messages, lastGood: winner !== undefined || lastGood };
      });
    const rejectionsDiffer = setOrDelete(this.keyRejections, key, rejections, sameRejections);
    return setOrDelete(this.keyWarnings, key, winner?.entry.warnings ?? [], sameMessages) || rejectionsDiffer;
  }

  private rejections(): Rejection[] {
    return [...this.fileRejections.values(), ...this.keyRejections.values()].flat().sort(byPlace);
  }
}

/** The document that is in force, or undefined when the last good version stays or nothing is left. */
function pickWinner(claims: readonly Claim[], owner: string | undefined, isInForce: boolean): Claim | undefined {
  const own = claims.find((claim) => claim.path === owner);
  if (own !== undefined && isInForce) return own.entry.object === undefined ? undefined : own;
  return claims.find((claim) => claim.entry.object !== undefined);
}

function byPlace({ messages: [a] }: Rejection, { messages: [b] }: Rejection): number {
  if (a!.at.file !== b!.at.file) return a!.at.file < b!.at.file ? -1 : 1;
  return (a!.at.line ?? 0) - (b!.at.line ?? 0);
}

function setOrDelete<T>(
  map: Map<string, readonly T[]>,
  key: string,
  values: readonly T[],
  same: (a: readonly T[], b: readonly T[]) => boolean,
): boolean {
  const before = map.get(key) ?? [];
  if (values.length === 0) map.delete(key);
  else map.set(key, values);
  return !same(before, values);
}

function sameMessages(a: readonly ConfigMessage[], b: readonly ConfigMessage[]): boolean {
  return a.length === b.length && a.every((message, i) => formatMessage(message) === formatMessage(b[i]!));
}

function sameRejections(a: readonly Rejection[], b: readonly Rejection[]): boolean {
  return (
    a.length === b.length &&
    a.every((r, i) => r.lastGood === b[i]!.lastGood && sameMessages(r.messages, b[i]!.messages))
  );
}
