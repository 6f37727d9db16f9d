import fs from 'node:fs';
import path from 'node:path';

/** Where the log of the run before lies: `web.previous.log` beside `web.log`. */
export function previousLog(logFile: string): string {
  const { dir, name, ext } = path.parse(logFile);
  return path.join(dir, `${name}.previous${ext}`);
}

/**
 * Opens a log for a new run, only for its owner to read. The log of the run before is kept, and no older one: a program
 * that crashes again and again must not fill the disk.
 */
export function openLog(logFile: string): number {
  fs.rmSync(previousLog(logFile), { force: true });
  if (fs.existsSync(logFile)) fs.renameSync(logFile, previousLog(logFile));
  return fs.openSync(logFile, 'a', 0o600);
}

const END_BYTES = 4096;

/** The end of what a program has printed. */
export function endOfLog(logFile: string): string {
  try {
    const fd = fs.openSync(logFile, 'r');
    try {
      const { size } = fs.fstatSync(fd);
      const buffer = Buffer.alloc(Math.min(size, END_BYTES));
      fs.readSync(fd, buffer, 0, buffer.length, size - buffer.length);
      return buffer.toString('utf8');
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return '';
  }
}
