import type { FieldPath } from './object.ts';
import { MAX_VIOLATIONS, type Violation } from './schema/context.ts';

/** Collects what the rules of a kind find wrong, each with the path of its field; `at` gives a view of a sub-field. */
export class Report {
  readonly path: FieldPath;
  private readonly sink: Violation[];

  constructor(sink: Violation[], path: FieldPath = []) {
    this.sink = sink;
    this.path = path;
  }

  /** The same report for the field below this one. */
  at(...path: FieldPath): Report {
    return new Report(this.sink, [...this.path, ...path]);
  }

  /** Refuses the object. `path` is relative to this report's. */
  error(message: string, ...path: FieldPath): void {
    this.add('error', message, path);
  }

  /** Says something that does not refuse the object. */
  warning(message: string, ...path: FieldPath): void {
    this.add('warning', message, path);
  }

  /** Refuses the object when `wrong`, the outcome of a check, says so. */
  check(wrong: string | undefined, ...path: FieldPath): void {
    if (wrong !== undefined) this.error(wrong, ...path);
  }

  private add(severity: Violation['severity'], message: string, path: FieldPath): void {
    if (this.sink.length < 2 * MAX_VIOLATIONS) this.sink.push({ path: [...this.path, ...path], message, severity });
  }
}
