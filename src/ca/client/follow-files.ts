import type { Clock } from '../../base/clock.ts';
import { type FileSet, readSmallFile } from '../files/read.ts';
import { FileWatch } from '../files/watch.ts';

export interface FollowOptions {
  readonly clock: Clock;
  /** How long at most until the files are read again. */
  readonly intervalMs: number;
  /** Paths whose folders the kernel is asked to tell of. */
  readonly watched: readonly string[];
  /** Takes what is there at the start; what it throws goes to `onError`. */
  readonly onFirst: (files: FileSet) => void;
  readonly onChange: (files: FileSet) => void;
  readonly onError: (error: unknown) => void;
}

/** Follows small files by their paths until it is closed; one that is not there is not in the set. */
export async function followFiles(files: readonly string[], options: FollowOptions): Promise<{ close(): void }> {
  const { clock, intervalMs, watched, onFirst, onChange, onError } = options;
  const read = async (): Promise<FileSet> => {
    const texts = await Promise.all(files.map((file) => readSmallFile(file)));
    return new Map(files.flatMap((file, i) => (texts[i] === undefined ? [] : [[file, texts[i]]])));
  };
  const first = await read();
  try {
    onFirst(first);
  } catch (error) {
    onError(error);
  }
  return new FileWatch(first, { read, onChange, onError, clock, intervalMs, paths: watched });
}
