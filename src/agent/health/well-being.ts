/**
 * How a workload is: well when its program is and its certificate is valid. Tells whenever that changes, and nothing
 * before the program has been judged, unless there is no certificate.
 */
export class WellBeing {
  readonly #tell: (problem: string | undefined) => void;
  /** What was said of the program; undefined is well, null that nothing was. */
  #ofProgram: string | undefined | null = null;
  #ofCertificate: string | undefined;

  /** `tell` gets what is wrong; undefined is well. */
  constructor(tell: (problem: string | undefined) => void) {
    this.#tell = tell;
  }

  program(problem: string | undefined): void {
    this.#ofProgram = problem;
    if (this.#ofCertificate === undefined) this.#tell(problem);
  }

  /** Without a certificate nobody talks to the workload, however well its program is. */
  certificate(problem: string | undefined): void {
    const changed = (problem === undefined) !== (this.#ofCertificate === undefined);
    this.#ofCertificate = problem;
    if (!changed) return;
    if (problem !== undefined) this.#tell(problem);
    else if (this.#ofProgram !== null) this.#tell(this.#ofProgram);
  }
}
