/** The three addresses of a pod. */
export interface PodAddresses {
  /** What others reach it by: the sidecar listens here. */
  readonly pod: string;
  /** Where the programs listen, and the sidecar connects to them. */
  readonly program: string;
  /** What is 127.0.0.1 to them: the listeners of the sidecar that only they may use. */
  readonly sidecar: string;
}

/** Second octets of the blocks: pods of mesh n are in 127.(64+n).0.0/16, and so on. */
const POD_BLOCK = 64;
const PROGRAM_BLOCK = 128;
const SIDECAR_BLOCK = 192;
export const MAX_SLOTS = 60;
const MAX_PODS = 250 * 250;

/**
 * Where the pods of a mesh have their addresses: on the loopback of the machine, or in networks of their own, for which
 * there is 100.64.0.0/10 (RFC 6598), in which nobody's own machines are.
 */
export type PodNetworkKind = 'loopback' | 'netns';

const FIRST_OCTET = { loopback: 127, netns: 100 } as const;

/** What all pod addresses of a mesh begin with. */
export function podPrefixOf(kind: PodNetworkKind, slot: number): string {
  return `${FIRST_OCTET[kind]}.${POD_BLOCK + slot}.`;
}

/** Hands out addresses to the pods of one mesh; one and the same name gets the same address again. */
export class AddressPool {
  readonly #slot: number;
  readonly podPrefix: string;
  readonly #byName = new Map<string, number>();
  readonly #used = new Set<number>();
  #next = 0;

  /** `slot` tells the meshes of one machine apart. */
  constructor(slot: number, kind: PodNetworkKind = 'loopback') {
    this.#slot = slot;
    this.podPrefix = podPrefixOf(kind, slot);
  }

  acquire(name: string): PodAddresses {
    let index = this.#byName.get(name);
    if (index === undefined) {
      index = this.#free();
      this.#byName.set(name, index);
      this.#used.add(index);
    }
    const tail = `${Math.floor(index / 250)}.${(index % 250) + 1}`;
    return {
      pod: `${this.podPrefix}${tail}`,
      program: `127.${PROGRAM_BLOCK + this.#slot}.${tail}`,
      sidecar: `127.${SIDECAR_BLOCK + this.#slot}.${tail}`,
    };
  }

  #free(): number {
    if (this.#used.size >= MAX_PODS) throw new Error('no pod address is left');
    while (this.#used.has(this.#next)) this.#next = (this.#next + 1) % MAX_PODS;
    const index = this.#next;
    this.#next = (this.#next + 1) % MAX_PODS;
    return index;
  }

  release(name: string): void {
    const index = this.#byName.get(name);
    if (index === undefined) return;
    this.#byName.delete(name);
    this.#used.delete(index);
  }
}
