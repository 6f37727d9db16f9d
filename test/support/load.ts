import assert from 'node:assert/strict';
import type { Client } from './load-clients.ts';
import { until } from './reference.ts';

/** Requests a second while something is changed, answered or not; fewer if the machine has no more to give. */
const RATE = 1000;
/** And while nothing is. */
const RESTING_RATE = 100;
/** More than this are not sent before others are answered: the rate is then what the machine can give. */
const MAX_OPEN = 128;
const TICK_MS = 5;
const KEPT_FAILURES = 10;
/** Longer than a client waits for one answer. */
const LAST_ANSWERS_MS = 35_000;
const FRESH_EVERY = 10;
/** What is answered before a change, at least: connections are open, and requests are on their way. */
const ANSWERED_BEFORE = 50;
/** What is sent while a change is made and seen, at least. */
const SENT_DURING = 200;
/** Answers of the new behaviour that are waited for, of each sort. */
const SEEN_AFTER = 20;
/** And answers on new connections. */
const FRESH_AFTER = 5;

/** Something that is changed while requests come, and how it shows. */
export interface Change {
  /** Makes it; resolves when it is in force. */
  readonly make: () => Promise<unknown>;
  /** The sorts of answers that show it: each of them comes, and a connection made after it has no other. */
  readonly sees: string | readonly string[];
  /** Who sees it, if those who make the load do not: every second request is theirs once it is in force. */
  readonly by?: Client;
  /** How many answers of each sort are waited for, if 20 are not enough. */
  readonly count?: number;
}

export interface LoadOptions {
  /** Requests a second while nothing is changed; 100 unless told. */
  readonly restingRate?: number;
  /** How often requests are sent that are due by then, in milliseconds: with 10 they come ten at a time. 5 unless told. */
  readonly tickMs?: number;
  /** Every so many requests one has a connection of its own, which ends with it; 10 unless told. */
  readonly freshEvery?: number;
  /** More than this are not sent before others are answered; 128 unless told. What is not sent is not made up for. */
  readonly maxOpen?: number;
}

/** Answers by their sort. */
type Counts = Map<string, number>;

const add = (counts: Counts, sort: string) => void counts.set(sort, (counts.get(sort) ?? 0) + 1);

/**
 * Clients that send 1,000 requests a second while something is changed, and fewer in between, whether earlier ones have
 * been answered or not. Nothing is sent twice: a connection that breaks under a request is a failed request.
 */
export class Load {
  readonly #client: Client;
  readonly #freshEvery: number;
  readonly #maxOpen: number;
  readonly #timer: NodeJS.Timeout;
  readonly #restingRate: number;
  #rate: number;
  #tickedAt = performance.now();
  /** How many requests are to be sent by now, with the part of the next one. */
  #due = 0;
  #open = 0;
  #guestsOpen = 0;
  #sent = 0;
  #answered = 0;
  #failed = 0;
  readonly #failures: string[] = [];
  readonly #answers: Counts = new Map();
  /** Who has been let in to see a change. */
  #guest: Client | undefined;
  /** Answers to requests that were sent since a change has been in force: to all, and to those on a new connection. */
  #since: { readonly all: Counts; readonly fresh: Counts } | undefined;

  constructor(client: Client, options: LoadOptions = {}) {
    const { restingRate = RESTING_RATE, tickMs = TICK_MS, freshEvery = FRESH_EVERY, maxOpen = MAX_OPEN } = options;
    this.#client = client;
    this.#restingRate = restingRate;
    this.#rate = restingRate;
    this.#freshEvery = freshEvery;
    this.#maxOpen = maxOpen;
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  get sent(): number {
    return this.#sent;
  }

  get failed(): number {
    return this.#failed;
  }

  /** What those who make the load were answered, and how often. */
  get answers(): ReadonlyMap<string, number> {
    return this.#answers;
  }

  /** Resolves when so many more requests have been answered than were when it was called. */
  async more(count: number): Promise<void> {
    const wanted = this.#answered + count;
    await until(`${count} more answers`, () => this.#failed > 0 || this.#answered >= wanted || undefined, 60_000);
    this.#noneHasFailed();
  }

  /**
   * Makes a change while requests come, and holds it to the promise: none fails before, while or after it is made, enough
   * of them came in that time, the new behaviour is seen often enough, and who came after it has seen nothing else.
   * Where others than those who make the load see it, these have the answers that they had before.
   */
  async change(change: Change): Promise<void> {
    this.#rate = RATE;
    try {
      await this.#change(change);
    } finally {
      this.#rate = this.#restingRate;
    }
  }

  async #change({ make, sees, by, count = SEEN_AFTER }: Change): Promise<void> {
    await this.more(ANSWERED_BEFORE);
    const sent = this.#sent;
    const known = [...this.#answers.keys()];
    await make();
    const { all, fresh } = { all: new Map(), fresh: new Map() } satisfies Record<string, Counts>;
    this.#guest = by;
    this.#since = { all, fresh };
    const wanted = [sees].flat();
    const isSeen = () => wanted.every((sort) => (all.get(sort) ?? 0) >= count) && total(fresh) >= FRESH_AFTER;
    await until(`the new behaviour: ${wanted}`, () => this.#failed > 0 || isSeen() || undefined).catch(
      (error: Error) => {
        throw new Error(`${error.message}; seen: ${show(all)}`, { cause: error.cause });
      },
    );
    this.#noneHasFailed();
    await until('enough requests', () => this.#sent - sent >= SENT_DURING || undefined);
    this.#guest = undefined;
    this.#since = undefined;
    await until('the last answers of who came', () => this.#guestsOpen === 0 || undefined, LAST_ANSWERS_MS);
    by?.close();
    this.#noneHasFailed();
    assert.ok(this.#sent - sent >= SENT_DURING, `${this.#sent - sent} requests`);
    for (const sort of wanted) assert.ok((all.get(sort) ?? 0) >= count, `${sort}: ${show(all)}`);
    assert.ok(total(fresh) >= FRESH_AFTER, `${total(fresh)} answers on new connections`);
    for (const sort of fresh.keys()) assert.ok(wanted.includes(sort), `who came since has seen: ${show(fresh)}`);
    if (by) assert.deepEqual([...this.#answers.keys()], known, 'the others were answered as before');
  }

  /** Sends nothing any more; resolves when everything has been answered, and fails if something was not. */
  async end(): Promise<void> {
    await this.stop();
    this.#noneHasFailed();
    assert.equal(this.#answered, this.#sent, 'each request had its answer');
  }

  /** Sends nothing any more; resolves when everything has been answered or has failed. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await until('the last answers', () => this.#open === 0 || undefined, LAST_ANSWERS_MS);
    this.#client.close();
  }

  #noneHasFailed(): void {
    assert.deepEqual({ failed: this.#failed, why: this.#failures }, { failed: 0, why: [] });
  }

  #tick(): void {
    const now = performance.now();
    this.#due += ((now - this.#tickedAt) / 1000) * this.#rate;
    this.#tickedAt = now;
    const due = Math.floor(this.#due);
    this.#due -= due;
    const possible = Math.min(due, this.#maxOpen - this.#open);
    for (let i = 0; i < possible; i++) void this.#send();
  }

  async #send(): Promise<void> {
    const sent = ++this.#sent;
    this.#open++;
    const client = sent % 2 === 0 ? (this.#guest ?? this.#client) : this.#client;
    const isGuest = client !== this.#client;
    const isFresh = Math.ceil(sent / 2) % this.#freshEvery === 0;
    const since = isGuest === (this.#guest !== undefined) ? this.#since : undefined;
    if (isGuest) this.#guestsOpen++;
    try {
      const sort = await client.ask(isFresh);
      this.#answered++;
      if (!isGuest) add(this.#answers, sort);
      if (since) add(since.all, sort);
      if (since && isFresh) add(since.fresh, sort);
    } catch (error) {
      this.#failed++;
      const connection = isFresh ? 'new' : 'kept';
      if (this.#failures.length < KEPT_FAILURES) this.#failures.push(`${connection} connection: ${String(error)}`);
    } finally {
      this.#open--;
      if (isGuest) this.#guestsOpen--;
    }
  }
}

const total = (counts: Counts) => [...counts.values()].reduce((sum, count) => sum + count, 0);
const show = (counts: Counts) => [...counts].map(([sort, count]) => `${sort}: ${count}`).join(', ') || 'nothing';

/** Runs a part of a test while requests of a client come. Ends with it, and fails if a request has failed. */
export async function underLoad(client: Client, part: (load: Load) => Promise<void>): Promise<void> {
  const load = new Load(client);
  try {
    await part(load);
  } catch (error) {
    await load.stop().catch(() => {});
    throw error;
  }
  await load.end();
}
