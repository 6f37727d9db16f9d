import fs from 'node:fs';
import path from 'node:path';

/**
 * Keeps the files of a volume in a folder as Kubernetes does: the files are links through `..data` to a folder that is
 * replaced as a whole, so that a reader sees all of the old or all of the new. Files are for their owner only.
 */
export class MountedFiles {
  readonly #dir: string;
  #generation = 0;
  #current = '';

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Writes the files if they differ from what is there. */
  write(files: ReadonlyMap<string, Uint8Array>): void {
    const key = JSON.stringify([...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]).sort());
    if (key === this.#current) return;
    fs.mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    let folder: string;
    do folder = `..${Date.now().toString(36)}_${this.#generation++}`;
    while (fs.existsSync(path.join(this.#dir, folder)));
    fs.mkdirSync(path.join(this.#dir, folder), { mode: 0o700 });
    for (const [name, bytes] of files) {
      const file = path.join(this.#dir, folder, name);
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      fs.writeFileSync(file, bytes, { mode: 0o600 });
    }
    const before = this.#link('..data', folder);
    for (const name of new Set([...files.keys()].map((n) => n.split('/')[0])))
      this.#link(name, path.join('..data', name));
    this.#removeStale(files);
    if (before !== undefined && before !== folder) {
      fs.rmSync(path.join(this.#dir, before), { recursive: true, force: true });
    }
    this.#current = key;
  }

  /** Points a link at a target, replacing it in one step; returns what it pointed at. */
  #link(name: string, target: string): string | undefined {
    const link = path.join(this.#dir, name);
    let before: string | undefined;
    try {
      before = fs.readlinkSync(link);
    } catch {
      before = undefined;
    }
    if (before === target) return before;
    const temporary = path.join(this.#dir, `..tmp_${name.replaceAll('/', '_')}`);
    fs.rmSync(temporary, { force: true });
    fs.symlinkSync(target, temporary);
    fs.renameSync(temporary, link);
    return before;
  }

  #removeStale(files: ReadonlyMap<string, Uint8Array>): void {
    const wanted = new Set([...files.keys()].map((n) => n.split('/')[0]));
    for (const name of fs.readdirSync(this.#dir)) {
      if (!name.startsWith('..') && !wanted.has(name)) fs.rmSync(path.join(this.#dir, name), { force: true });
    }
  }
}
