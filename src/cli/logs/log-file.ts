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

/** How far a log was read. */
export interface LogPosition {
  /** Of the file: a new run begins a new one. Undefined when there was none. */
  readonly inode: number | undefined;
  readonly offset: number;
}

/** The lines of a log that are wanted, as far as it goes now; returns where that is. A file that is not there has none. */
export function* readLog(file: string, { tail, since }: LinesWanted): Generator<string, LogPosition> {
  const open = openAt(file);
  if (open === undefined) return { inode: undefined, offset: 0 };
  const { fd, inode } = open;
  try {
    const { size } = fs.fstatSync(fd);
    const start = tail === undefined ? 0 : startOfTail(fd, size, tail);
    let time: number | undefined;
    for (const line of linesBetween(fd, start, size)) {
      // A line that bears no time is as old as the one before it.
      if (since !== undefined) time = timeOfLine(line) ?? time;
      if (since === undefined || (time !== undefined && time >= since)) yield line;
    }
    return { inode, offset: size };
  } finally {
    fs.closeSync(fd);
  }
}

function* linesBetween(fd: number, start: number, end: number): Generator<string> {
  const splitter = new LineSplitter();
  for (const bytes of blocksBetween(fd, start, end)) yield* splitter.write(bytes);
  yield* splitter.end();
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

function* blocksBetween(fd: number, start: number, end: number): Generator<Buffer> {
  let at = start;
  while (at < end) {
    const block = Buffer.alloc(Math.min(BLOCK, end - at));
    const length = fs.readSync(fd, block, 0, block.length, at);
    if (length === 0) return;
    yield block.subarray(0, length);
    at += length;
  }
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

/** Whether lines of a log say when they were written. */
export function bearsTimes(file: string): boolean {
  const lines = [...readLog(file, { tail: 100, since: undefined })];
  return lines.length === 0 || lines.some((line) => timeOfLine(line) !== undefined);
}

class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = '';

  *write(bytes: Buffer): Generator<string> {
    const parts = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#rest = parts.pop()!;
    yield* parts;
    if (this.#rest.length > MAX_LINE) yield* this.end();
  }

  *end(): Generator<string> {
    if (this.#rest !== '') yield this.#rest;
    this.#rest = '';
  }
}

/**
 * Reads on what is added to a log, also past the start of a new run, which begins a new file. Returns what ends it; what
 * was added until then is read first.
 */
export function followLog(file: string, from: LogPosition, onLine: (line: string) => void): () => void {
  const splitter = new LineSplitter();
  let open = openAt(file);
  let offset = open?.inode === from.inode ? from.offset : 0;
  const readOn = () => {
    if (open === undefined) return;
    for (const bytes of blocksBetween(open.fd, offset, fs.fstatSync(open.fd).size)) {
      offset += bytes.length;
      for (const line of splitter.write(bytes)) onLine(line);
    }
  };
  const finishFile = () => {
    for (const line of splitter.end()) onLine(line);
    if (open) fs.closeSync(open.fd);
    open = undefined;
  };
  const look = () => {
    readOn();
    const now = inodeOf(file);
    if (now === undefined || now === open?.inode) return;
    finishFile();
    open = openAt(file);
    offset = 0;
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
    finishFile();
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
