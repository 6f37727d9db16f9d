import type { ConfigObject } from '../object.ts';
import type { Report } from '../report.ts';
import type { Schema } from '../schema/index.ts';

/**
 * One column of `isthmus get KIND`, as kubectl prints it or Istio's CRD says; NAMESPACE, NAME and AGE are every kind's
 * and not listed. What is not known is an empty text.
 */
export interface Column<Spec> {
  readonly name: string;
  /** Shown only with `-o wide`, after AGE. */
  readonly wide?: boolean;
  /** Stands after AGE, which otherwise is the last one. */
  readonly afterAge?: boolean;
  value(object: ConfigObject<Spec>): string;
}

/** What the control plane knows about one kind of object. */
export interface KindDefinition<Id extends string = string, Spec = unknown> {
  /** What tells kinds apart inside the mesh: the kind, or `Kind.group` where another group has a kind of that name. */
  readonly id: Id;
  readonly kind: string;
  /** Every `group/version` in which the kind is accepted, the preferred one first. All share one schema. */
  readonly apiVersions: readonly [string, ...string[]];
  /** Lower-case plural, as in `kubectl get virtualservices`. */
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly namespaced: boolean;
  /** `spec`: the spec is under `spec`. `body`: the kind has none; its fields stand beside metadata. */
  readonly layout: 'spec' | 'body';
  /** Istio's kinds refuse a field they do not know; Kubernetes' own warn, since no one mesh knows all of Kubernetes. */
  readonly unknownFields: 'error' | 'warning';
  /** Whether its values are secrets, which no message may show. */
  readonly confidential?: boolean;
  readonly schema: Schema<Spec>;
  /** The rules that a schema cannot hold. Only called for objects that their schema accepts. */
  validate?(object: ConfigObject<Spec>, report: Report): void;
  readonly columns: readonly Column<NoInfer<Spec>>[];
}

/** The part of an apiVersion before the slash; empty for the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash === -1 ? '' : apiVersion.slice(0, slash);
}

/** Gives a definition its exact types. */
export function defineKind<const Id extends string, Spec>(
  definition: KindDefinition<Id, Spec>,
): KindDefinition<Id, Spec> {
  return definition;
}

/** The object's `status`, which only whoever runs the mesh fills in. */
export function statusOf<Status>(object: ConfigObject): Partial<Status> {
  return (object.raw.status ?? {}) as Partial<Status>;
}

/** `a,b,c + 2 more...`: at most three, as kubectl shortens addresses. */
export function shortList(values: readonly string[], none: string): string {
  if (values.length === 0) return none;
  const rest = values.length > 3 ? ` + ${values.length - 3} more...` : '';
  return values.slice(0, 3).join(',') + rest;
}

/** `["a","b"]`, the way kubectl prints a list in a column. */
export function listColumn(values: readonly string[] | undefined): string {
  return values === undefined ? '' : JSON.stringify(values);
}

/** `app=web,tier=front`, or `<none>`. */
export function labelsColumn(labels: Readonly<Record<string, string>> | undefined): string {
  const text = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return text.length === 0 ? '<none>' : text.join(',');
}
