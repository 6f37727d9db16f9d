import fs from 'node:fs';
import path from 'node:path';
import type { VolumeMount } from '../../config/kinds/shared/pod-spec.ts';
import { MountedFiles } from '../../process/mounted-files.ts';
import { MissingObject } from './environment.ts';
import type { VolumeContent } from './volumes.ts';

/** The folder that stands for the file system of a pod: what is mounted at `/etc/x` lies in `etc/x` of it. */
export class PodFolder {
  readonly path: string;
  readonly #claims: string;
  readonly #mounted = new Map<string, MountedFiles>();

  /** `claims` is where volumes lie that outlive the pod. The folder begins empty. */
  constructor(folder: string, claims: string) {
    this.path = folder;
    this.#claims = claims;
    fs.rmSync(folder, { recursive: true, force: true });
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Where a path of the pod lies. */
  resolve(inside: string): string {
    const resolved = path.join(this.path, path.resolve('/', inside));
    return resolved;
  }

  /**
   * Where a program starts whose container may name a folder for that: one of the pod, or of the machine, where `home` is
   * what a relative one begins at.
   */
  workingFolder(wanted: string | undefined, home: string): string {
    if (wanted === undefined) return fs.existsSync(home) ? home : this.path;
    const inside = this.resolve(wanted);
    if (path.isAbsolute(wanted) && fs.existsSync(inside)) return inside;
    const outside = path.resolve(home, wanted);
    if (fs.existsSync(outside)) return outside;
    throw new MissingObject(`workingDir ${wanted} is neither mounted nor a folder of this machine`);
  }

  /** Writes the files of a directory of the pod, all at once; nothing happens if they are there already. */
  write(directory: string, files: ReadonlyMap<string, Uint8Array>): void {
    const target = this.resolve(directory);
    let mounted = this.#mounted.get(target);
    if (mounted === undefined) this.#mounted.set(target, (mounted = new MountedFiles(target)));
    mounted.write(files);
  }

  /** Makes or renews what a volume holds; returns the folder. */
  fill(name: string, content: VolumeContent, files: ReadonlyMap<string, Uint8Array>): string {
    switch (content.kind) {
      case 'host':
        return content.path;
      case 'claim':
        return folder(path.join(this.#claims, content.name));
      case 'empty':
        return folder(this.#volume(name));
      case 'files': {
        this.write(path.relative(this.path, this.#volume(name)), files);
        return this.#volume(name);
      }
    }
  }

  #volume(name: string): string {
    return path.join(this.path, '.volumes', name);
  }

  /** Makes a volume visible where a container wants it. */
  mount({ mountPath, subPath }: VolumeMount, volume: string): void {
    const at = this.resolve(mountPath);
    const target = subPath ? path.join(volume, path.join('/', subPath)) : volume;
    const present = linkAt(at);
    if (present === target) return;
    if (present !== undefined) fs.rmSync(at);
    else if (fs.existsSync(at)) throw new MissingObject(`${mountPath} is mounted twice`);
    fs.mkdirSync(path.dirname(at), { recursive: true, mode: 0o700 });
    fs.symlinkSync(target, at);
  }

  remove(): void {
    fs.rmSync(this.path, { recursive: true, force: true });
  }
}

function folder(dir: string): string {
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  return dir;
}

function linkAt(file: string): string | undefined {
  try {
    return fs.readlinkSync(file);
  } catch {
    return undefined;
  }
}
