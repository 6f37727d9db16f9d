import fs from 'node:fs';
import { encodeText, keepingBytes } from '../../../base/bytes.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';

/** Envoy's default is 10 s; people who follow a log want to see a request soon after they made it. */
const FLUSH_MS = 1000;
const FLUSH_KB = 64;
/** What is kept while a pipe does not take it; beyond this, lines are dropped and counted. */
const MAX_BUFFERED = 4 * 1024 * 1024;

/** Lines on their way to one file, standard output or standard error. Never blocks and never throws. */
class FileSink {
  readonly path: string;
  dropped = 0;
  readonly #log: Logger;
  readonly #flushMs: number;
  readonly #flushBytes: number;
  #fd: number | undefined = undefined;
  #text = '';
  #timer: NodeJS.Timeout | undefined = undefined;

  constructor(path: string, log: Logger, flushMs: number, flushBytes: number) {
    this.path = path;
    this.#log = log;
    this.#flushMs = flushMs;
    this.#flushBytes = flushBytes;
    this.#open();
  }

  #open(): void {
    if (this.path === '/dev/stdout') this.#fd = 1;
    else if (this.path === '/dev/stderr') this.#fd = 2;
    else {
      try {
        this.#fd = fs.openSync(this.path, 'a', 0o644);
      } catch (error) {
        this.#log.warn(`access log ${this.path}: ${messageOf(error)}`);
      }
    }
  }

  write(line: string): void {
    if (this.#fd === undefined) {
      this.dropped++;
      return;
    }
    this.#text += line;
    if (this.#text.length >= this.#flushBytes) this.flush();
    else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.flush(), this.#flushMs);
      this.#timer.unref();
    }
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#text === '' || this.#fd === undefined) return;
    const bytes = encodeText(this.#text);
    let at = 0;
    try {
      while (at < bytes.length) at += fs.writeSync(this.#fd, bytes, at);
      this.#text = '';
    } catch {
      // A full pipe, or a full disk: keep what is left and try again later.
      this.#text = keepingBytes(bytes.toString('latin1', at));
      if (this.#text.length > MAX_BUFFERED) {
        this.dropped += this.#text.split('\n').length - 1;
        this.#text = '';
      }
      this.#timer ??= setTimeout(() => this.flush(), this.#flushMs).unref();
    }
  }

  /** Closes the file and opens it again under the same name, after a log rotation. */
  reopen(): void {
    this.flush();
    if (this.#fd !== undefined && this.#fd > 2) fs.closeSync(this.#fd);
    this.#fd = undefined;
    this.#open();
  }
}

/** The sinks of a process: two listeners that log to one file share it. */
export class FileSinks {
  readonly #sinks = new Map<string, FileSink>();
  readonly #log: Logger;
  readonly #flushMs: number;
  readonly #flushKb: number;

  /** `flushMs`: how long a line may wait for others; `flushKb`: at how much none waits any longer. */
  constructor(log: Logger, flushMs = FLUSH_MS, flushKb = FLUSH_KB) {
    this.#log = log;
    this.#flushMs = flushMs;
    this.#flushKb = flushKb;
  }

  get(path: string): FileSink {
    let sink = this.#sinks.get(path);
    if (sink === undefined) {
      sink = new FileSink(path, this.#log, this.#flushMs, this.#flushKb * 1024);
      this.#sinks.set(path, sink);
    }
    return sink;
  }

  flush(): void {
    for (const sink of this.#sinks.values()) sink.flush();
  }

  reopen(): void {
    for (const sink of this.#sinks.values()) sink.reopen();
  }
}
