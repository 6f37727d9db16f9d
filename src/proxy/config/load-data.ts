import fs from 'node:fs';
import path from 'node:path';
import type { DataSource } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { codeOf, messageOf } from '../../base/errors.ts';

/** The largest certificate chain, bundle or CRL that is read. */
const MAX_DATA_BYTES = 16 * 1024 * 1024;

/** The content of a DataSource, and where it came from. */
export interface LoadedData {
  readonly bytes: Buffer;
  /** As Envoy calls it: the path of a file, `<inline>`, or `<environment>`. */
  readonly origin: string;
}

/** A DataSource that has nothing to say, or not what it should. The message has no field path in it. */
export class DataSourceError extends Error {
  override readonly name = 'DataSourceError';
}

/** Whether a DataSource is set at all. */
export const isSet = (source: DataSource | undefined): source is DataSource => source?.specifier.case !== undefined;

/** Reads a DataSource. Throws a {@link DataSourceError}. */
export function loadData({ specifier }: DataSource): LoadedData {
  switch (specifier.case) {
    case 'filename':
      return { bytes: readFile(specifier.value), origin: specifier.value };
    case 'inlineBytes':
      return { bytes: bounded(Buffer.from(specifier.value)), origin: '<inline>' };
    case 'inlineString':
      return { bytes: bounded(Buffer.from(specifier.value, 'utf8')), origin: '<inline>' };
    case 'environmentVariable': {
      const value = process.env[specifier.value];
      if (value === undefined) throw new DataSourceError(`the environment variable ${specifier.value} is not set`);
      return { bytes: bounded(Buffer.from(value, 'utf8')), origin: '<environment>' };
    }
    default:
      throw new DataSourceError('one of filename, inline_bytes, inline_string and environment_variable is needed');
  }
}

function bounded(bytes: Buffer): Buffer {
  if (bytes.length > MAX_DATA_BYTES) throw new DataSourceError(`is larger than ${MAX_DATA_BYTES} bytes`);
  return bytes;
}

function readFile(file: string): Buffer {
  let fd: number | undefined;
  try {
    fd = fs.openSync(file, 'r');
    const { size } = fs.fstatSync(fd);
    if (size > MAX_DATA_BYTES) throw new DataSourceError(`${file} is larger than ${MAX_DATA_BYTES} bytes`);
    return bounded(fs.readFileSync(fd));
  } catch (error) {
    if (error instanceof DataSourceError) throw error;
    const why = codeOf(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new DataSourceError(`${file} cannot be read: ${why}`);
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** The folder of which a change may mean a change of a file: `watched_directory`, or the folder that the file is in. */
export function watchedFolder(source: DataSource | undefined, watched: string | undefined): string | undefined {
  if (source?.specifier.case !== 'filename') return undefined;
  return watched || source.watchedDirectory?.path || path.dirname(source.specifier.value);
}
