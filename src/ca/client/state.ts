/** A workload's own certificate with its key. */
export interface WorkloadCertificate {
  /** PKCS#8 in PEM. */
  readonly key: string;
  /** PEM, leaf first, without roots. */
  readonly chain: string;
  /** SPIFFE ID, empty where a certificate of someone else's making has none. */
  readonly identity: string;
  /** Hexadecimal. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** The root that it stands under, PEM; absent where that was not looked for. */
  readonly root?: string;
}

/** What a source of certificates has to offer at a moment. A state is never changed, only replaced. */
export interface WorkloadState {
  /** Absent until the first one has been obtained, and again once it has expired. */
  readonly certificate: WorkloadCertificate | undefined;
  /** Trust bundle in PEM; empty until it is known. */
  readonly roots: string;
  /** When the certificate was obtained, milliseconds since 1970. */
  readonly lastRenewal: number | undefined;
  /** By when it should have been renewed, milliseconds since 1970; undefined without a certificate. */
  readonly renewalDue?: number;
  /** Lists of revoked certificates in PEM, if the mesh publishes any. */
  readonly crl?: string;
  /** The last failure since then. */
  readonly lastError: { readonly message: string; readonly at: number } | undefined;
}

/** What the files hold that are written for programs (`OUTPUT_CERTS`). */
export interface OutputState {
  readonly dir: string;
  /** PEM, leaf first; absent until something has been written. */
  readonly chain?: string;
  /** PEM. */
  readonly roots?: string;
  /** Why they are not as they should be. */
  readonly problem?: string;
}

/** Where certificates come from: an authority, or files that something else keeps fresh. */
export interface WorkloadSource {
  readonly state: WorkloadState;
  /** Absent where no files are written. */
  readonly output?: OutputState;
  /** Calls back with every new state. Returns how to stop. */
  subscribe(listener: (state: WorkloadState) => void): () => void;
  /** Asks for a new certificate now; absent where somebody else renews. */
  renew?(): void;
  close(): void;
}

/** Holds a state and tells the subscribers of every new one. */
export class StateHolder {
  #state: WorkloadState = { certificate: undefined, roots: '', lastRenewal: undefined, lastError: undefined };
  readonly #listeners = new Set<(state: WorkloadState) => void>();

  get state(): WorkloadState {
    return this.#state;
  }

  update(change: Partial<WorkloadState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of [...this.#listeners]) listener(this.#state);
  }

  subscribe(listener: (state: WorkloadState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
