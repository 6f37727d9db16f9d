import type { FieldPath } from './object.ts';
import { MAX_VIOLATIONS, type Topic, type Violation } from './schema/context.ts';

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

  /** A warning that is also told in another way, from where it can be known by its topic. */
  topicWarning(topic: Topic, message: string, ...path: FieldPath): void {
    this.add('warning', message, path, topic);
  }

  /** Refuses the object when `wrong`, the outcome of a check, says so. */
  check(wrong: string | undefined, ...path: FieldPath): void {
    if (wrong !== undefined) this.error(wrong, ...path);
  }

  private add(severity: Violation['severity'], message: string, path: FieldPath, topic?: Topic): void {
    if (this.sink.length >= 2 * MAX_VIOLATIONS) return;
    this.sink.push({ path: [...this.path, ...path], message, severity, ...(topic === undefined ? {} : { topic }) });
  }
}
