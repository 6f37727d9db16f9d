import { RE2JS } from 're2js';
import { messageOf } from '../../base/errors.ts';
import { formatDuration } from '../schema/duration.ts';

/** What is wrong with a duration in milliseconds that has to be at least one of them, as a clause, or undefined. */
export function checkDuration(milliseconds: number): string | undefined {
  if (milliseconds < 1) return `must be at least 1ms, not ${formatDuration(milliseconds)}`;
  if (!Number.isInteger(milliseconds)) return 'must be a whole number of milliseconds';
  return undefined;
}

/** What is wrong with a whole percentage, as a clause, or undefined. */
export function checkPercent(value: number): string | undefined {
  return value >= 0 && value <= 100 ? undefined : `must be between 0 and 100, not ${value}`;
}

/** What is wrong with a fraction of Envoy's, which counts in millionths, as a clause, or undefined. */
export function checkFraction(value: number): string | undefined {
  if (value === 0 || (value >= 0.0001 && value <= 100)) return undefined;
  return `must be 0 or between 0.0001 and 100, not ${value}`;
}

/** Envoy bounds the size of a compiled expression; its length is what can be told without compiling as Envoy does. */
const MAX_REGEX_LENGTH = 1024;

/** What is wrong with a regular expression in RE2's syntax, as a clause, or undefined. */
export function checkRegex(expression: string): string | undefined {
  if (expression === '') return 'must be a regular expression, not empty';
  if (Buffer.byteLength(expression) > MAX_REGEX_LENGTH) return `is longer than ${MAX_REGEX_LENGTH} bytes`;
  try {
    RE2JS.compile(expression);
    return undefined;
  } catch (error) {
    return `is not a regular expression in RE2 syntax: ${messageOf(error)}`;
  }
}

/** What is wrong with the path of a Unix domain socket, or with an abstract one (`@name`), as a clause, or undefined. */
export function checkUnixPath(path: string): string | undefined {
  if (path.startsWith('@')) return undefined;
  if (path.startsWith('/') && !path.endsWith('/')) return undefined;
  return `must be an absolute path of a socket, or @name, after unix://, not ${JSON.stringify(path)}`;
}

export const UNIX_PREFIX = 'unix://';
