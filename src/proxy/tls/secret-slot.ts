import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { ConfigErrors } from '../config/errors.ts';
import type { FileWatcher } from '../file-watcher.ts';

/** One kind of secret: how its message becomes what contexts use. */
export interface SecretKind<Proto, Value> {
  /** Reads the message and its files. What is wrong goes to `errors`, never with any of a key. */
  load(proto: Proto, errors: ConfigErrors): Value | undefined;
  /** Folders of which a change may change what `load` reads. */
  folders(proto: Proto): readonly string[];
  /** Equal for equal values, so that touching a file changes nothing. */
  digest(value: Value): string;
}

/** A user's say in a new value before it is taken: why not, or undefined. */
export type SecretCheck<Value> = (value: Value) => string | undefined;

interface User<Value> {
  readonly onChange: () => void;
  readonly check: SecretCheck<Value> | undefined;
}

/** A secret that changes while it is used: what came last and was good. */
export class SecretSlot<Proto, Value> {
  readonly name: string;
  /** Undefined until the secret has come. */
  value: Value | undefined = undefined;
  /** Whether the source has had its say: the secret has come, was refused, or did not come in time. */
  answered = false;
  proto: Proto | undefined = undefined;
  version = '';
  /** Milliseconds since 1970. */
  lastUpdated = 0;
  readonly #kind: SecretKind<Proto, Value>;
  readonly #watcher: FileWatcher;
  readonly #log: Logger;
  readonly #users = new Set<User<Value>>();
  #unwatch: (() => void)[] = [];
  #complaint = '';

  constructor(name: string, kind: SecretKind<Proto, Value>, watcher: FileWatcher, log: Logger) {
    this.name = name;
    this.#kind = kind;
    this.#watcher = watcher;
    this.#log = log;
  }

  get users(): number {
    return this.#users.size;
  }

  /** Returns what ends it. */
  use(onChange: () => void, check?: SecretCheck<Value>): () => void {
    const user = { onChange, check };
    this.#users.add(user);
    return () => this.#users.delete(user);
  }

  /** Takes a new message, or leaves all as it was and says in `errors` why. */
  offer(proto: Proto, version: string, now: number, errors: ConfigErrors): void {
    const value = this.#load(proto, errors);
    if (value === undefined) return;
    this.version = version;
    this.lastUpdated = now;
    this.proto = proto;
    this.#watch(proto);
    this.#set(value);
  }

  /** Nobody need wait any longer, though the secret may still come. */
  giveUp(): void {
    if (this.answered) return;
    this.answered = true;
    for (const user of [...this.#users]) user.onChange();
  }

  close(): void {
    for (const unwatch of this.#unwatch) unwatch();
    this.#unwatch = [];
    this.#users.clear();
  }

  #load(proto: Proto, errors: ConfigErrors): Value | undefined {
    const before = errors.list.length;
    let value: Value | undefined;
    try {
      value = this.#kind.load(proto, errors);
    } catch (error) {
      errors.add('', messageOf(error));
    }
    if (value === undefined || errors.list.length > before) return undefined;
    for (const { check } of this.#users) {
      const problem = check?.(value);
      if (problem === undefined) continue;
      errors.add('', problem);
      return undefined;
    }
    return value;
  }

  #watch(proto: Proto): void {
    for (const unwatch of this.#unwatch) unwatch();
    this.#unwatch = [...new Set(this.#kind.folders(proto))].map((folder) =>
      this.#watcher.watch(folder, () => this.#reload()),
    );
  }

  #reload(): void {
    if (this.proto === undefined) return;
    const errors = new ConfigErrors();
    const value = this.#load(this.proto, errors);
    if (value !== undefined) {
      this.#complaint = '';
      this.#set(value);
    } else if (errors.toString() !== this.#complaint) {
      this.#complaint = errors.toString();
      this.#log.warn(
        `the files of the secret ${this.name} changed and cannot be used, keeping what they were: ${errors}`,
      );
    }
  }

  #set(value: Value): void {
    const same = this.value !== undefined && this.#kind.digest(this.value) === this.#kind.digest(value);
    if (same) return;
    this.value = value;
    this.answered = true;
    for (const user of [...this.#users]) user.onChange();
  }
}
