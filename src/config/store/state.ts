import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { readObject } from '../read.ts';
import { isRecord } from '../schema/index.ts';
import type { Restored } from './claims.ts';
import { removeFile, replaceFile } from './files.ts';

const VERSION = 1;

/**
 * The accepted set on disk, so that the last good version of an object survives a restart, and so do the times at which
 * objects were first accepted. One file for each file of configuration, readable by the owner alone: there are secrets.
 */
export class AcceptedState {
  private readonly directory: string;
  private readonly root: string;
  private readonly onProblem: (message: string) => void;
  private readonly pending = new Map<string, readonly Restored[]>();
  private writing: Promise<void> | undefined;

  /** `root` is the directory of the configuration; the state names files relative to it. */
  constructor(directory: string, root: string, onProblem: (message: string) => void) {
    this.directory = directory;
    this.root = root;
    this.onProblem = onProblem;
  }

  /** What was accepted when the store was last closed. What cannot be read or is no longer valid is left out and told. */
  async load(defaultNamespace: string | undefined): Promise<Restored[]> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    await chmod(this.directory, 0o700);
    const restored: Restored[] = [];
    for (const name of (await readdir(this.directory)).sort()) {
      if (name.startsWith('.') || !name.endsWith('.json')) continue;
      const path = join(this.directory, name);
      try {
        restored.push(...this.parse(JSON.parse(await readFile(path, 'utf8')), defaultNamespace));
      } catch (error) {
        this.onProblem(`${path}: cannot be read, so the last good versions in it are lost: ${messageOf(error)}`);
      }
    }
    return restored;
  }

  private parse(json: unknown, defaultNamespace: string | undefined): Restored[] {
    if (!isRecord(json) || json.version !== VERSION || typeof json.file !== 'string' || !Array.isArray(json.objects)) {
      throw new Error('it is not of this version');
    }
    const path = join(this.root, json.file);
    return json.objects.flatMap((stored: unknown) => {
      if (!isRecord(stored)) return [];
      const { key, object } = readObject(stored.raw, () => ({ file: path }), defaultNamespace);
      if (key === undefined || object === undefined) return [];
      return [{ key, path, object, created: Number(stored.created) || 0, generation: Number(stored.generation) || 1 }];
    });
  }

  /** Writes what is in force by one file, soon; an empty list removes it. */
  save(path: string, objects: readonly Restored[]): void {
    this.pending.set(path, objects);
    this.writing ??= this.write();
  }

  /** Settles when everything is on disk. */
  async flush(): Promise<void> {
    while (this.writing !== undefined) await this.writing;
  }

  private async write(): Promise<void> {
    for (;;) {
      const [next] = this.pending;
      if (next === undefined) break;
      const [path, objects] = next;
      this.pending.delete(path);
      try {
        await this.writeFile(path, objects);
      } catch (error) {
        this.onProblem(`the last good versions of ${path} cannot be kept for a restart: ${messageOf(error)}`);
      }
    }
    this.writing = undefined;
  }

  private async writeFile(path: string, objects: readonly Restored[]): Promise<void> {
    const file = relative(this.root, path);
    const name = `${createHash('sha256').update(file).digest('hex').slice(0, 32)}.json`;
    const target = join(this.directory, name);
    if (objects.length === 0) await removeFile(target);
    else {
      const stored = objects.map(({ created, generation, object }) => ({ created, generation, raw: object.raw }));
      await replaceFile(target, JSON.stringify({ version: VERSION, file, objects: stored }), 0o600);
    }
  }
}
