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
/** How long proxies have to refuse a change, in milliseconds, before it is no longer looked for. */
const ANSWER_MS = 30_000;
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
  #reporting: Promise<unknown> = Promise.resolve();
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
      const snapshot = await this.#report();
      if (snapshot !== undefined) void this.#reportAnswers(snapshot);
    }
  }

  /** Proxies answer later than the control plane. */
  async #reportAnswers(snapshot: number): Promise<void> {
    try {
      await this.#options.control.wait(snapshot, ANSWER_MS);
      await this.#report();
    } catch {
      // The control plane is away; it is asked again when it is back.
    }
  }

  /** One after the other: what is told is the difference to what was told before. */
  #report(): Promise<number | undefined> {
    const outcome = this.#reporting.then(() => this.#reportNow());
    this.#reporting = outcome;
    return outcome;
  }

  /** Tells what is new and what is over. Resolves with the number of the snapshot that it is about, if there is one. */
  async #reportNow(): Promise<number | undefined> {
    const { control, isSettled, examine, onEvent } = this.#options;
    if (this.#isClosed) return undefined;
    let state: StateResponse;
    const before = this.#told;
    const now = new Map<string, Trouble>();
    const add = (trouble: Trouble) => now.set(trouble.id, trouble);
    try {
      const [asked, { objects }] = await Promise.all([control.state(), control.objects({})]);
      state = asked;
      for (const trouble of troublesOf(state)) add(trouble);
      if (isSettled()) for (const found of await examine(objects)) add({ ...found, id: `${FOUND} ${found.id}` });
      else for (const trouble of before.values()) if (trouble.id.startsWith(FOUND)) add(trouble);
    } catch {
      return undefined;
    }
    if (this.#isClosed) return undefined;
    this.#told = now;
    for (const [id, { summary }] of before) if (!now.has(id)) onEvent({ kind: 'resolved', text: summary });
    for (const [id, { text, isError }] of now) {
      if (!before.has(id)) onEvent({ kind: isError ? 'problem' : 'warning', text });
    }
    return state.snapshot;
  }
}

const FOUND = 'found';

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
