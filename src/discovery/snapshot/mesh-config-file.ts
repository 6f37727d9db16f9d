import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Cancel, type Clock, systemClock } from '../../base/clock.ts';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';
import { readMeshConfig } from '../../config/kinds/mesh-config/read.ts';
import type { MeshConfig } from '../../config/kinds/mesh-config/schema.ts';
import { formatMessage } from '../../config/message.ts';
import { DirectoryWatch } from '../../config/store/watch.ts';
import { parseYaml } from '../../config/yaml/parse.ts';

/** MeshConfig as it was read, and as it was written. */
export interface ReadMeshConfig {
  readonly config: MeshConfig;
  /** Plain JSON, for printing. */
  readonly raw: Readonly<Record<string, unknown>>;
  /** What is worth saying about it, each with its place. */
  readonly warnings: readonly string[];
}

/** Reads istio.mesh.v1alpha1.MeshConfig from YAML. Throws a {@link UserError} with everything that is wrong, and where. */
export function readMesh(text: string, file: string): ReadMeshConfig {
  const { value, errors, warnings } = readMeshConfig(text, file);
  if (value === undefined) throw new UserError(errors.map(formatMessage).join('\n'));
  const [document] = parseYaml(text, file).documents;
  return {
    config: value,
    raw: (document?.value ?? {}) as ReadMeshConfig['raw'],
    warnings: warnings.map(formatMessage),
  };
}

export interface MeshConfigFileOptions {
  readonly file: string;
  /** Told after a change that could be read. */
  readonly onChange: (read: ReadMeshConfig) => void;
  /** Told once of each version of the file that could not be, and when it is gone; the last good one stays in force. */
  readonly onProblem: (message: string) => void;
  readonly clock?: Clock;
  /** Milliseconds between looks at the file, for file systems that send no events. */
  readonly pollMs?: number;
}

const POLL_MS = 10_000;
const EMPTY_FILE_GRACE_MS = 40;
const EMPTY: ReadMeshConfig = { config: {}, raw: {}, warnings: [] };

/** The file of `--meshConfig`, followed while it changes. A file that is not there is the default mesh. */
export class MeshConfigFile {
  readonly #options: MeshConfigFileOptions;
  readonly #watch: DirectoryWatch;
  #text: string | undefined;
  /** The last text, or the absence of one, that could not be taken. */
  #refused: { readonly text: string | undefined } | undefined;
  #reading: Promise<void> = Promise.resolve();
  #cancelPoll: Cancel | undefined;
  #closed = false;

  private constructor(options: MeshConfigFileOptions) {
    this.#options = options;
    this.#watch = new DirectoryWatch({ quiet: 4, atMost: 50 }, () => this.#lookSoon());
  }

  /** Reads the file. Throws a {@link UserError} if it is there and makes no sense: there is no good one to fall back to. */
  static async open(options: MeshConfigFileOptions): Promise<{ file: MeshConfigFile; read: ReadMeshConfig }> {
    const file = new MeshConfigFile({ ...options, file: path.resolve(options.file) });
    try {
      file.#watch.setDirectories(new Set([path.dirname(file.#options.file)]));
      file.#text = await file.#readText();
      const read = file.#text === undefined ? EMPTY : readMesh(file.#text, options.file);
      file.#schedulePoll();
      return { file, read };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get isThere(): boolean {
    return this.#text !== undefined;
  }

  close(): void {
    this.#closed = true;
    this.#watch.close();
    this.#cancelPoll?.();
  }

  #schedulePoll(): void {
    const { clock = systemClock, pollMs = POLL_MS } = this.#options;
    if (this.#closed) return;
    this.#cancelPoll = clock.setTimer(pollMs, () => {
      this.#watch.setDirectories(new Set([path.dirname(this.#options.file)]));
      this.#lookSoon();
      this.#schedulePoll();
    });
  }

  #lookSoon(): void {
    this.#reading = this.#reading.then(() => this.#look());
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    let text: string | undefined;
    try {
      text = await this.#readText();
      if (!text && this.#text) {
        await this.#grace();
        text = await this.#readText();
      }
      if (text === this.#text || this.#closed || (this.#refused && this.#refused.text === text)) return;
      if (text === undefined) throw new UserError(`${this.#options.file} is gone`);
      const read = readMesh(text, this.#options.file);
      this.#text = text;
      this.#refused = undefined;
      this.#options.onChange(read);
    } catch (error) {
      this.#refused = { text };
      this.#options.onProblem(messageOf(error));
    }
  }

  /** A file that is suddenly empty or gone may be one that is being written. */
  #grace(): Promise<void> {
    return new Promise((done) => (this.#options.clock ?? systemClock).setTimer(EMPTY_FILE_GRACE_MS, done));
  }

  async #readText(): Promise<string | undefined> {
    try {
      return await readFile(this.#options.file, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
      throw new UserError(`the mesh configuration ${this.#options.file} cannot be read: ${messageOf(error)}`);
    }
  }
}
