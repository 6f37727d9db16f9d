import fs from 'node:fs';
import path from 'node:path';

const BLOCK = 64 * 1024;
/** A line that is longer comes in parts. */
const MAX_LINE = 1024 * 1024;

/** Which lines of a log are wanted. */
export interface LinesWanted {
  /** So many of the last ones; undefined for all. */
  readonly tail: number | undefined;
  /** Not those from before this time, milliseconds since 1970. */
  readonly since: number | undefined;
}

/** The lines of a log that are wanted, and where it ends now. A file that is not there has none. */
export function readLog(file: string, { tail, since }: LinesWanted): { lines: string[]; end: number } {
  let fd: number;
  try {
    fd = fs.openSync(file, 'r');
  } catch {
    return { lines: [], end: 0 };
  }
  try {
    const { size } = fs.fstatSync(fd);
    const start = tail === undefined ? 0 : startOfTail(fd, size, tail);
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    readBlocks(fd, start, size, (bytes) => splitter.write(bytes));
    splitter.end();
    return { lines: since === undefined ? lines : linesSince(lines, since), end: size };
  } finally {
    fs.closeSync(fd);
  }
}

/** Where the last `count` lines begin. */
function startOfTail(fd: number, size: number, count: number): number {
  if (count === 0) return size;
  let newlines = 0;
  const block = Buffer.alloc(BLOCK);
  for (let end = size; end > 0; end -= BLOCK) {
    const start = Math.max(0, end - BLOCK);
    const length = fs.readSync(fd, block, 0, end - start, start);
    for (let i = length - 1; i >= 0; i--) {
      // The newline at the very end belongs to the last line.
      if (block[i] === 10 && start + i !== size - 1 && ++newlines === count) return start + i + 1;
    }
  }
  return 0;
}

function readBlocks(fd: number, start: number, end: number, onBytes: (bytes: Buffer) => void): number {
  let at = start;
  while (at < end) {
    const block = Buffer.alloc(Math.min(BLOCK, end - at));
    const length = fs.readSync(fd, block, 0, block.length, at);
    if (length === 0) break;
    onBytes(block.subarray(0, length));
    at += length;
  }
  return at;
}

const TIME = /^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)/;
const JSON_TIME = /"(?:time|timestamp|ts|@timestamp|start_time)"\s*:\s*"(\d{4}-[^"]+)"/;

/** When a line says that it was written, in milliseconds since 1970; times without a zone are UTC, as Envoy's. */
export function timeOfLine(line: string): number | undefined {
  const text = TIME.exec(line)?.[1] ?? (line.startsWith('{') ? JSON_TIME.exec(line)?.[1] : undefined);
  if (text === undefined) return undefined;
  const iso = text.replace(' ', 'T').replace(',', '.');
  const time = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/.test(iso) ? iso : `${iso}Z`);
  return Number.isNaN(time) ? undefined : time;
}

/** A line that bears no time is as old as the one before it. */
function linesSince(lines: readonly string[], since: number): string[] {
  let time: number | undefined;
  return lines.filter((line) => {
    time = timeOfLine(line) ?? time;
    return time !== undefined && time >= since;
  });
}

/** Whether lines of a log say when they were written. */
export function bearsTimes(file: string): boolean {
  const { lines } = readLog(file, { tail: 100, since: undefined });
  return lines.length === 0 || lines.some((line) => timeOfLine(line) !== undefined);
}

class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(bytes: Buffer): void {
    const parts = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#rest = parts.pop()!;
    for (const line of parts) this.#onLine(line);
    if (this.#rest.length > MAX_LINE) this.end();
  }

  end(): void {
    if (this.#rest !== '') this.#onLine(this.#rest);
    this.#rest = '';
  }
}

/**
 * Reads on what is added to a log, also past the start of a new run, which begins a new file. Returns what ends it; what
 * was added until then is read first.
 */
export function followLog(file: string, from: number, onLine: (line: string) => void): () => void {
  const splitter = new LineSplitter(onLine);
  let open = openAt(file);
  let at = from;
  const readOn = () => {
    if (open === undefined) return;
    at = readBlocks(open.fd, at, fs.fstatSync(open.fd).size, (bytes) => splitter.write(bytes));
  };
  const look = () => {
    readOn();
    const now = inodeOf(file);
    if (now === undefined || now === open?.inode) return;
    splitter.end();
    if (open) fs.closeSync(open.fd);
    open = openAt(file);
    at = 0;
    readOn();
  };
  const watcher = fs.watch(path.dirname(file), (_, name) => {
    if (name === null || name === path.basename(file)) look();
  });
  watcher.on('error', () => watcher.close());
  look();
  return () => {
    watcher.close();
    look();
    splitter.end();
    if (open) fs.closeSync(open.fd);
    open = undefined;
  };
}

function openAt(file: string): { readonly fd: number; readonly inode: number } | undefined {
  try {
    const fd = fs.openSync(file, 'r');
    return { fd, inode: fs.fstatSync(fd).ino };
  } catch {
    return undefined;
  }
}

function inodeOf(file: string): number | undefined {
  return fs.statSync(file, { throwIfNoEntry: false })?.ino;
}
