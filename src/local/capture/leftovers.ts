import { linkNames, namespaceNames, removeLink, removeNamespace } from '../../process/network-namespace.ts';
import { runTool } from '../../process/tool.ts';
import { lockSlot } from '../slot.ts';
import { holderOf } from './claim.ts';
import { masqueradeRule } from './masquerade.ts';
import { slotOf } from './names.ts';

/** Removes everything of a slot. Resolves with how many things there were. */
export async function removeSlot(slot: number): Promise<number> {
  const isOwn = (name: string) => slotOf(name) === slot;
  const links = (await linkNames()).filter(isOwn);
  const namespaces = (await namespaceNames()).filter(isOwn);
  for (const name of links) await removeLink(name);
  for (const name of namespaces) await removeNamespace(name);
  if (links.length > 0) await runTool('iptables', masqueradeRule('-D', slot)).catch(() => {});
  return links.length + namespaces.length;
}

/**
 * Removes what meshes have left that were killed: what bears the number of a slot that no mesh holds, or of our own,
 * which has made nothing yet. Resolves with how many things that were.
 */
export async function removeLeftovers(own: number): Promise<number> {
  const names = [...(await linkNames()), ...(await namespaceNames())];
  const slots = new Set(names.map(slotOf).filter((slot) => slot !== undefined));
  let removed = 0;
  for (const slot of slots) {
    if (slot === own) {
      removed += await removeSlot(slot);
      continue;
    }
    // Who runs in another network holds its slot there.
    if (holderOf(slot) !== undefined) continue;
    const lock = await lockSlot(slot);
    if (typeof lock === 'string') continue;
    removed += await removeSlot(slot);
    lock.close();
  }
  return removed;
}
