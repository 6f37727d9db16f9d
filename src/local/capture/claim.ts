import fs from 'node:fs';
import path from 'node:path';
import { isAlive } from '../mesh-folder.ts';

/** Beside the names of namespaces, which all network namespaces of a machine share, unlike their loopback addresses. */
const FOLDER = '/run';

function fileOf(slot: number, folder: string): string {
  return path.join(folder, `isthmus-${slot}.pid`);
}

/** The process that makes network namespaces with the number of this slot, if one does. */
export function holderOf(slot: number, folder = FOLDER): number | undefined {
  try {
    const pid = Number(fs.readFileSync(fileOf(slot, folder), 'utf8'));
    return Number.isInteger(pid) && pid > 0 && isAlive(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Claims the number for this process, until it ends or gives it back. False if another process has it. */
export function claim(slot: number, folder = FOLDER): boolean {
  const holder = holderOf(slot, folder);
  if (holder !== undefined && holder !== process.pid) return false;
  fs.writeFileSync(fileOf(slot, folder), `${process.pid}\n`, { mode: 0o644 });
  return true;
}

export function giveBack(slot: number, folder = FOLDER): void {
  if (holderOf(slot, folder) === process.pid) fs.rmSync(fileOf(slot, folder), { force: true });
}
