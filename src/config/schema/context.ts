import type { FieldPath } from '../object.ts';

/** What a violation is about, of those that have a message code of their own: routes that no request reaches. */
export type Topic = 'unreachable';

/** One thing wrong, or worth saying, about one field. */
export interface Violation {
  readonly path: FieldPath;
  readonly message: string;
  readonly severity: 'error' | 'warning';
  readonly topic?: Topic;
}

/** After this many of one severity the rest of a document's violations are not reported: nobody reads the hundredth. */
export const MAX_VIOLATIONS = 100;

export interface ReadOptions {
  /** What a field that the schema does not know is. Istio's kinds refuse it, Kubernetes' own only warn. Default `error`. */
  readonly unknownFields?: 'error' | 'warning';
  /** Whether values are secrets, so that no message may show one. Default false. */
  readonly confidential?: boolean;
}

/** Where a schema is in the document while it reads, and what it has found so far. */
export class ReadContext {
  readonly violations: Violation[] = [];
  /** The path of the value at hand; schemas push and pop, so that a valid document costs no path objects. */
  readonly path: (string | number)[];
  readonly unknownFields: 'error' | 'warning';
  /** Whether fields may be spelled as in the protobuf definition, where the schema is now. */
  protobufNames = false;
  private readonly confidential: boolean;
  private errors = 0;
  private warnings = 0;

  constructor(path: FieldPath = [], options: ReadOptions = {}) {
    this.path = [...path];
    this.unknownFields = options.unknownFields ?? 'error';
    this.confidential = options.confidential ?? false;
  }

  /** How a message calls a value that is of the wrong type; of a secret it tells the type alone. */
  nameOf(value: unknown): string {
    const isScalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
    return this.confidential && isScalar ? `a ${typeof value}` : nameOf(value);
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

/** `the string "x"`, `the number 5`, `a list`, ...: how a message calls a value that is of the wrong type. */
export function nameOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return `the string ${JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)}`;
    case 'number':
      return `the number ${value}`;
    case 'boolean':
      return `the boolean ${value}`;
    default:
      return 'an object';
  }
}
