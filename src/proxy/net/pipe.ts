import fs from 'node:fs';
import { codeOf } from '../../base/errors.ts';

/** The path of `envoy.config.core.v3.Pipe` as Node takes it: with `@` before it, it is a name that Linux keeps, and no file. */
export function pipePath(path: string): string {
  return path.startsWith('@') ? `\0${path.slice(1)}` : path;
}

/** Removes the socket that an earlier process has left, as Envoy does; anything but a socket stays. */
export function removeStaleSocket(path: string): void {
  if (path.startsWith('@')) return;
  try {
    if (fs.lstatSync(path).isSocket()) fs.unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
