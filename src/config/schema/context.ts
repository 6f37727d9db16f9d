import type { FieldPath } from '../object.ts';

/** One thing wrong, or worth saying, about one field. */
export interface Violation {
  readonly path: FieldPath;
  readonly message: string;
  readonly severity: 'error' | 'warning';
}

/** After this many of one severity the rest of a document's violations are not reported: nobody reads the hundredth. */
export const MAX_VIOLATIONS = 100;

export interface ReadOptions {
  /** What a field that the schema does not know is. Istio's kinds refuse it, Kubernetes' own only warn. Default `error`. */
  readonly unknownFields?: 'error' | 'warning';
}

/** Where a schema is in the document while it reads, and what it has found so far. */
export class ReadContext {
  readonly violations: Violation[] = [];
  /** The path of the value at hand; schemas push and pop, so that a valid document costs no path objects. */
  readonly path: (string | number)[];
  readonly unknownFields: 'error' | 'warning';
  private errors = 0;
  private warnings = 0;

  constructor(path: FieldPath = [], options: ReadOptions = {}) {
    this.path = [...path];
    this.unknownFields = options.unknownFields ?? 'error';
  }

  error(message: string): void {
    if (this.errors++ < MAX_VIOLATIONS) this.violations.push({ path: this.path.slice(), message, severity: 'error' });
  }

  warning(message: string): void {
    if (this.warnings++ < MAX_VIOLATIONS)
      this.violations.push({ path: this.path.slice(), message, severity: 'warning' });
  }

  /** Something that is not known: an error or a warning, as the options say. */
  unknown(message: string): void {
    if (this.unknownFields === 'error') this.error(message);
    else this.warning(`${message}; it is ignored`);
  }
}
