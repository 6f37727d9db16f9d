import { messageOf } from '../../base/errors.ts';
import { isAnyAddress, listeningSockets } from '../../process/listening-sockets.ts';
import { SIDECAR_PORTS } from '../pod-network.ts';

/** How ports of programs in a network of their own are made reachable. */
export interface PortGate {
  /** A process in that network. */
  readonly pid: number | undefined;
  /** May throw, where the port cannot be had outside. */
  admit(port: number): Promise<void>;
  dismiss(port: number): void;
}

const LOOK_MS = 500;
/** A program that listens on very many ports is reached at so many of them, beside those that were declared. */
const MAX_FOUND = 256;

/**
 * The ports at which programs in a network of their own are reached: those that were declared, and those on which they
 * are seen to listen for everybody.
 */
export class ServedPorts {
  readonly #declared: readonly number[];
  readonly #gate: PortGate;
  readonly #onProblem: (problem: string) => void;
  readonly #callbacks = new Set<() => void>();
  #found = new Set<number>();
  /** Ports that cannot be had, of which that has been said. */
  readonly #refused = new Set<number>();
  #timer: NodeJS.Timeout | undefined = undefined;
  #closed = false;

  constructor(declared: readonly number[], gate: PortGate, onProblem: (problem: string) => void) {
    this.#declared = declared;
    this.#gate = gate;
    this.#onProblem = onProblem;
  }

  /** Throws where a port that was declared cannot be had. */
  async open(): Promise<void> {
    for (const port of this.#declared) await this.#gate.admit(port);
    this.#wait();
  }

  get ports(): readonly number[] {
    return [...this.#declared, ...this.#found];
  }

  /** Calls back when {@link ports} have changed, until what it returns is called. */
  onChange(callback: () => void): () => void {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #wait(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.look().finally(() => this.#wait()), LOOK_MS);
    this.#timer.unref();
  }

  /** Looks once where programs listen. Nobody tells when that changes. */
  async look(): Promise<void> {
    const { pid } = this.#gate;
    if (pid === undefined) return;
    const listening = new Set(
      listeningSockets(pid)
        .filter(({ address, port }) => isAnyAddress(address) && !isSidecars(port) && !this.#declared.includes(port))
        .map(({ port }) => port)
        .slice(0, MAX_FOUND),
    );
    for (const port of this.#refused) if (!listening.has(port)) this.#refused.delete(port);
    const gone = [...this.#found].filter((port) => !listening.has(port));
    const come = [...listening].filter((port) => !this.#found.has(port) && !this.#refused.has(port));
    const admitted: number[] = [];
    for (const port of come) if (await this.#admit(port)) admitted.push(port);
    if (this.#closed || (gone.length === 0 && admitted.length === 0)) return;
    this.#found = new Set([...this.#found].filter((port) => listening.has(port)).concat(admitted));
    for (const callback of this.#callbacks) callback();
    for (const port of gone) this.#gate.dismiss(port);
  }

  async #admit(port: number): Promise<boolean> {
    try {
      await this.#gate.admit(port);
      return true;
    } catch (error) {
      this.#refused.add(port);
      this.#onProblem(`port ${port} of the programs is not reached: ${messageOf(error)}`);
      return false;
    }
  }
}

function isSidecars(port: number): boolean {
  return port >= SIDECAR_PORTS.first && port <= SIDECAR_PORTS.last;
}
