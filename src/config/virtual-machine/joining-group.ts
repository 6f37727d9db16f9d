import { UserError } from '../../base/errors.ts';
import type { WorkloadGroupSpec } from '../kinds/workload-group/schema.ts';
import { workloadGroupSchema } from '../kinds/workload-group/schema.ts';
import { formatMessage, messageFrom } from '../message.ts';
import { readWith } from '../schema/index.ts';
import { parseYaml } from '../yaml/parse.ts';

/** The WorkloadGroup that a virtual machine is to be a member of. */
export interface JoiningGroup {
  readonly name: string;
  readonly namespace: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: WorkloadGroupSpec;
}

interface Document {
  readonly kind?: unknown;
  readonly metadata?: {
    readonly name?: unknown;
    readonly namespace?: unknown;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
}

/**
 * Reads the file of a WorkloadGroup that has not been applied. Like istioctl it does not ask for an apiVersion, so that
 * the output of `workload group create` and files of old do. Throws a UserError with the place of what is wrong.
 */
export function readJoiningGroup(text: string, file: string): JoiningGroup {
  const { documents, problems } = parseYaml(text, file);
  if (problems[0]) throw new UserError(formatMessage(problems[0]));
  const document = documents[0];
  if (document === undefined || documents.length > 1) throw new UserError(`${file}: must be one WorkloadGroup`);
  const { kind, metadata, spec } = (document.value ?? {}) as Document;
  if (kind !== 'WorkloadGroup') throw new UserError(`${file}: kind: must be WorkloadGroup, not ${String(kind)}`);
  const { value, violations } = readWith(workloadGroupSchema, spec ?? {});
  const errors = violations.filter(({ severity }) => severity === 'error');
  if (value === undefined || errors.length > 0) {
    const locate = (path: readonly (string | number)[]) => document.locate(['spec', ...path]);
    throw new UserError(errors.map((error) => formatMessage(messageFrom(error, undefined, locate))).join('\n'));
  }
  return joiningGroup(String(metadata?.name ?? ''), String(metadata?.namespace ?? ''), metadata?.annotations, value);
}

/** With what istioctl fills in: a service account is always there. */
export function joiningGroup(
  name: string,
  namespace: string,
  annotations: Readonly<Record<string, string>> | undefined,
  spec: WorkloadGroupSpec,
): JoiningGroup {
  const template = { ...spec.template, serviceAccount: spec.template?.serviceAccount || 'default' };
  return { name, namespace, annotations: annotations ?? {}, spec: { ...spec, template } };
}
