import type { SourceLocation } from '../base/errors.ts';
import type { Cell, TypeUrl } from './cell.ts';
import { versionOf } from './names.ts';

/** A cell that encodes, hashes and looks up its origin only when somebody asks: most cells are only passed by. */
export class EncodedCell implements Cell {
  readonly type: TypeUrl;
  readonly name: string;
  #encode: (() => Uint8Array) | undefined;
  #origins: (() => readonly SourceLocation[]) | undefined;
  #bytes: Uint8Array | undefined;
  #version: string | undefined;
  #origin: readonly SourceLocation[] | undefined;

  constructor(type: TypeUrl, name: string, encode: () => Uint8Array, origins: () => readonly SourceLocation[]) {
    this.type = type;
    this.name = name;
    this.#encode = encode;
    this.#origins = origins;
  }

  get bytes(): Uint8Array {
    if (this.#bytes === undefined) {
      this.#bytes = this.#encode!();
      this.#encode = undefined;
    }
    return this.#bytes;
  }

  get version(): string {
    this.#version ??= versionOf(this.bytes);
    return this.#version;
  }

  get origin(): readonly SourceLocation[] {
    if (this.#origin === undefined) {
      this.#origin = this.#origins!();
      this.#origins = undefined;
    }
    return this.#origin;
  }
}
