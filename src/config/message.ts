import { formatLocation, type SourceLocation } from '../base/errors.ts';
import { type ConfigObject, formatPath } from './object.ts';
import type { Topic, Violation } from './schema/index.ts';

/** Something to tell about the configuration, with the place that it is about. */
export interface ConfigMessage {
  /** One clause that follows the field's path, or the object's name where there is none; without the location. */
  readonly message: string;
  readonly at: SourceLocation;
  /** Such as `spec.http[0].route`; undefined when it is about the object or the file as a whole. */
  readonly field?: string;
  /** `Kind/namespace/name`, when it is about an object. */
  readonly key?: string;
  readonly topic?: Topic;
}

/** A violation as a message about the object with this key. */
export function messageFrom(
  violation: Violation,
  key: string | undefined,
  locate: ConfigObject['locate'],
): ConfigMessage {
  const field = formatPath(violation.path);
  return {
    message: violation.message,
    at: locate(violation.path),
    ...(field === '' ? {} : { field }),
    ...(key === undefined ? {} : { key }),
    ...(violation.topic === undefined ? {} : { topic: violation.topic }),
  };
}

/** `mesh.yaml:12:7: VirtualService/default/web: spec.http[0].timeout must be a duration`. */
export function formatMessage(message: ConfigMessage): string {
  const subject = message.key === undefined ? '' : `${message.key}: `;
  const field = message.field === undefined ? '' : `${message.field} `;
  return `${formatLocation(message.at)}: ${subject}${field}${message.message}`;
}
