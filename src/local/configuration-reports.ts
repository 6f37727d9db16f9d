import { messageOf } from '../base/errors.ts';
import type { ObjectState, StateResponse } from '../config/control/api.ts';
import type { ControlClient } from '../config/control/client.ts';
import { type ConfigMessage, formatMessage } from '../config/message.ts';

/** Something that is wrong with the configuration, or may be. */
export interface Trouble {
  /** Is the same for as long as the trouble lasts, wherever in the files it moves. */
  readonly id: string;
  /** In short, as it is told of when it is over. */
  readonly summary: string;
  readonly text: string;
  readonly isError: boolean;
}

export type ConfigurationEvent =
  | { readonly kind: 'problem' | 'warning'; readonly text: string }
  /** What was told as a problem or a warning is none any more. */
  | { readonly kind: 'resolved'; readonly text: string };

export interface ConfigurationReportsOptions {
  readonly control: Pick<ControlClient, 'state' | 'objects' | 'watch' | 'wait'>;
  /** Finds what does not fit together in the objects that are in force. */
  readonly examine: (objects: readonly ObjectState[]) => Promise<readonly Trouble[]>;
  /** Whether all that was started is there: before, much seems to be missing. */
  readonly isSettled: () => boolean;
  readonly onEvent: (event: ConfigurationEvent) => void;
}

/** Changes come in bursts: this is how long more of one is waited for, in milliseconds. */
const PAUSE_MS = 100;
/** Proxies are given so long to answer a change, in milliseconds, and again as often while one of them has not. */
const ANSWER_MS = 2_000;
const MAX_ANSWER_WAITS = 15;
const RECONNECT_MS = 100;

/**
 * Tells of everything that is wrong with the configuration of a mesh, each thing once for as long as it lasts, and when
 * it is over: what was refused by the control plane or by proxies, what was warned of, and what does not fit together.
 */
export class ConfigurationReports {
  readonly #options: ConfigurationReportsOptions;
  #told = new Map<string, Trouble>();
  #unwatch: (() => void) | undefined = undefined;
  #looking: Promise<void> | undefined = undefined;
  #reporting: Promise<void> = Promise.resolve();
  #answering: Promise<void> | undefined = undefined;
  /** Number of the mesh snapshot that was last looked at. */
  #snapshot = 0;
  #isStale = false;
  #isClosed = false;

  constructor(options: ConfigurationReportsOptions) {
    this.#options = options;
  }

  /** Looks at once, and again with every change. */
  start(): void {
    if (this.#isClosed) return;
    this.#unwatch = this.#options.control.watch(
      { written: true },
      () => this.look(),
      () => {
        if (!this.#isClosed) setTimeout(() => this.start(), RECONNECT_MS).unref();
      },
    );
  }

  close(): void {
    this.#isClosed = true;
    this.#unwatch?.();
  }

  /** Looks again soon. */
  look(): void {
    this.#isStale = true;
    this.#looking ??= this.#run().finally(() => (this.#looking = undefined));
  }

  /** Resolves when everything that there was to tell has been told. */
  async done(): Promise<void> {
    while (this.#looking !== undefined) await this.#looking;
  }

  async #run(): Promise<void> {
    while (this.#isStale && !this.#isClosed) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      this.#isStale = false;
      await this.#report();
      this.#answering ??= this.#reportAnswers().finally(() => (this.#answering = undefined));
    }
  }

  /** Proxies answer later than the control plane, and some of them later than others. */
  async #reportAnswers(): Promise<void> {
    for (let waits = 0; waits < MAX_ANSWER_WAITS && !this.#isClosed; waits++) {
      const snapshot = this.#snapshot;
      const begun = Date.now();
      try {
        await this.#options.control.wait(snapshot, ANSWER_MS);
      } catch {
        // The control plane is away; it is asked again when it is back.
        return;
      }
      await this.#report();
      if (this.#snapshot !== snapshot) waits = 0;
      else if (Date.now() - begun < ANSWER_MS) return;
    }
  }

  /** One after the other: what is told is the difference to what was told before. */
  #report(): Promise<void> {
    this.#reporting = this.#reporting.then(() => this.#reportNow());
    return this.#reporting;
  }

  /** Tells what is new and what is over. */
  async #reportNow(): Promise<void> {
    const { control, isSettled, examine, onEvent } = this.#options;
    if (this.#isClosed) return;
    const before = this.#told;
    const now = new Map<string, Trouble>();
    const add = (trouble: Trouble) => now.set(trouble.id, trouble);
    let objects: readonly ObjectState[];
    try {
      const [state, whole] = await Promise.all([control.state(), control.objects({})]);
      ({ objects } = whole);
      this.#snapshot = state.snapshot;
      for (const trouble of troublesOf(state)) add(trouble);
    } catch {
      // The control plane is away; it is asked again when it is back.
      return;
    }
    const found = isSettled() ? await examine(objects).catch(failed) : undefined;
    for (const trouble of found ?? []) add({ ...trouble, id: `${FOUND} ${trouble.id}` });
    if (found === undefined) for (const trouble of before.values()) if (trouble.id.startsWith(FOUND)) add(trouble);
    if (this.#isClosed) return;
    this.#told = now;
    for (const [id, { summary }] of before) if (!now.has(id)) onEvent({ kind: 'resolved', text: summary });
    for (const [id, { text, isError }] of now) {
      if (!before.has(id)) onEvent({ kind: isError ? 'problem' : 'warning', text });
    }
  }
}

const FOUND = 'found';

/** A mesh runs on without being examined. */
function failed(error: unknown): Trouble[] {
  const text = `the configuration cannot be examined: ${messageOf(error)}`;
  return [{ id: text, summary: text, text, isError: true }];
}

function troublesOf({ rejected, nacks, warnings }: StateResponse): Trouble[] {
  return [
    ...rejected.flatMap(({ messages, lastGood }) =>
      messages.map((message) => {
        const summary = formatMessage(message);
        const text = lastGood ? `${summary} (its last good version stays in force)` : summary;
        return { id: idOf('refused', message), summary, text, isError: true };
      }),
    ),
    ...warnings.map((message) => {
      const text = formatMessage(message);
      return { id: idOf('warned', message), summary: text, text, isError: false };
    }),
    // They come last also when they are known at once.
    ...nacks.map(({ message }) => ({ id: `proxy ${message}`, summary: message, text: message, isError: true })),
  ];
}

function idOf(by: string, { key, field, message, at }: ConfigMessage): string {
  return [by, key ?? at.file, field, message].join(' ');
}
