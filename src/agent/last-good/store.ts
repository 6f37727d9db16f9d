import crypto from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { codeOf, messageOf } from '../../base/errors.ts';
import type { RawResource } from '../../xds/client/config-source.ts';
import { decodeDeltaDiscoveryResponse, encodeDeltaDiscoveryResponse } from '../../xds/session/codec.ts';

/** Resources by type and name. */
export type Resources = ReadonlyMap<string, ReadonlyMap<string, RawResource>>;

/** Whose configuration it is: that of another node, or from another control plane, is of no use. */
export interface Owner {
  readonly node: string;
  readonly discovery: string;
}

const FORMAT = 1;
const MAX_BYTES = 512 << 20;
const LENGTH_BYTES = 4;

/**
 * The last good configuration of a proxy in one file (0600): records with their length in front, first who it belongs
 * to, then a delta response for each type. The file is replaced as a whole.
 */
export class ConfigurationStore {
  readonly #file: string;
  readonly #owner: string;

  constructor(file: string, owner: Owner) {
    this.#file = file;
    this.#owner = JSON.stringify({ format: FORMAT, node: owner.node, discovery: owner.discovery });
  }

  /** What is kept; undefined if there is nothing or it is not ours. Throws an Error in words for a file that is no good. */
  async read(): Promise<Resources | undefined> {
    let bytes: Buffer;
    try {
      const { size } = await fs.stat(this.#file);
      if (size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
      bytes = await fs.readFile(this.#file);
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
      throw new Error(`${this.#file} cannot be read: ${messageOf(error)}`);
    }
    const [owner, ...types] = records(bytes, this.#file);
    if (owner?.toString('utf8') !== this.#owner) return undefined;
    const resources = new Map<string, Map<string, RawResource>>();
    for (const record of types) {
      const { typeUrl, resources: list } = decodeDeltaDiscoveryResponse(record);
      resources.set(
        typeUrl,
        new Map(
          list.map(({ name, version, typeUrl: own, bytes: b }) => [name, { name, version, typeUrl: own, bytes: b }]),
        ),
      );
    }
    return resources;
  }

  async write(resources: Resources): Promise<void> {
    const draft = `${this.#file}.${crypto.randomBytes(4).toString('hex')}.tmp`;
    await fs.mkdir(path.dirname(this.#file), { recursive: true, mode: 0o700 });
    try {
      const handle = await fs.open(draft, 'wx', 0o600);
      try {
        await writeRecord(handle, Buffer.from(this.#owner));
        // One type at a time: the whole may be large, and a sidecar is to stay small.
        for (const [typeUrl, byName] of resources) {
          const response = { typeUrl, version: '', nonce: '', removed: [], resources: [...byName.values()] };
          await writeRecord(handle, encodeDeltaDiscoveryResponse(response, ''));
        }
      } finally {
        await handle.close();
      }
      await fs.rename(draft, this.#file);
    } catch (error) {
      await fs.rm(draft, { force: true }).catch(() => {});
      throw error;
    }
  }
}

async function writeRecord(handle: fs.FileHandle, record: Uint8Array): Promise<void> {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(record.length);
  await handle.writev([length, record]);
}

function records(bytes: Buffer, file: string): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end =
      at + LENGTH_BYTES <= bytes.length ? at + LENGTH_BYTES + bytes.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    if (end > bytes.length) throw new Error(`${file} is cut off`);
    found.push(bytes.subarray(at + LENGTH_BYTES, end));
    at = end;
  }
  return found;
}
