import { Backoff } from '../../base/backoff.ts';
import type { Cancel, Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { CertificateOutput } from '../../ca/client/files.ts';
import type { OutputState, WorkloadState } from '../../ca/client/state.ts';

export interface OutputFilesOptions {
  /** The folder; it is made if it is missing. */
  readonly dir: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random?: () => number;
}

const RETRY = { initialMs: 1000, maxMs: 30_000, minMs: 200 };

/**
 * Keeps the files of `OUTPUT_CERTS` as the workload's certificate and roots are, and tells what they hold: programs
 * that read them are as far as the files, whatever the proxy has.
 */
export class OutputFiles {
  readonly #options: OutputFilesOptions;
  readonly #output: CertificateOutput;
  readonly #backoff: Backoff;
  #state: OutputState;
  #wanted: WorkloadState | undefined;
  #cancelRetry: Cancel = () => {};
  #closed = false;

  constructor(options: OutputFilesOptions) {
    const { dir, random } = options;
    this.#options = options;
    this.#output = new CertificateOutput(dir);
    this.#backoff = new Backoff({ ...RETRY, random });
    this.#state = { dir };
  }

  get state(): OutputState {
    return this.#state;
  }

  /** Writes what there is, again and again until that is done or something newer has come. */
  write(wanted: WorkloadState): void {
    this.#wanted = wanted;
    this.#backoff.reset();
    void this.#write(wanted, true);
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry();
  }

  async #write(wanted: WorkloadState, isFirst: boolean): Promise<void> {
    const { dir, log, clock } = this.#options;
    this.#cancelRetry();
    try {
      await this.#output.write(wanted);
      this.#state = { dir, chain: wanted.certificate?.chain, roots: wanted.roots };
    } catch (error) {
      const problem = messageOf(error);
      // Attempts that follow fail for the same reason.
      if (isFirst) log.error(`OUTPUT_CERTS: ${problem}`);
      this.#state = { ...this.#state, problem };
      if (this.#closed || this.#wanted !== wanted) return;
      this.#cancelRetry = clock.setTimer(this.#backoff.next(), () => void this.#write(wanted, false));
    }
  }
}
