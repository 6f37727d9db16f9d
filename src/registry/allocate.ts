import { type Service, serviceKey } from './service.ts';

/** 254 values of each of the last two bytes: 0 and 255 are left out, which some stacks take for networks and broadcasts. */
const PER_BYTE = 254;
const POOL = PER_BYTE * PER_BYTE;

/**
 * Makes up an address of 240.240.0.0/16 for every service that wants one, from a hash of its name, so that it keeps the
 * address while others come and go. Where two names collide, the one that is earlier in the list has it. A service
 * for which nothing is left gets none.
 */
export function allocateAddresses(
  services: readonly Service[],
  wants: (service: Service) => boolean,
): ReadonlyMap<string, { ipv4: string; ipv6: string }> {
  const taken = new Set<number>();
  const result = new Map<string, { ipv4: string; ipv6: string }>();
  for (const service of services) {
    if (!wants(service)) continue;
    const key = serviceKey(service);
    if (result.has(key)) continue;
    const slot = freeSlot(hash(key), taken);
    if (slot === undefined) continue;
    taken.add(slot);
    const [high, low] = [Math.floor(slot / PER_BYTE) + 1, (slot % PER_BYTE) + 1];
    result.set(key, { ipv4: `240.240.${high}.${low}`, ipv6: `2001:2::f0f0:${(high * 256 + low).toString(16)}` });
  }
  return result;
}

function freeSlot(start: number, taken: ReadonlySet<number>): number | undefined {
  if (taken.size >= POOL) return undefined;
  let slot = start % POOL;
  while (taken.has(slot)) slot = (slot + 1) % POOL;
  return slot;
}

/** FNV-1a, 32 bits: stable between runs and machines. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}
