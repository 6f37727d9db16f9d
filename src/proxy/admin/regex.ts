import { messageOf } from '../../base/errors.ts';

/** What is wrong with a regular expression, in RE2's words. */
export function regexProblem(error: unknown): string {
  return messageOf(error)
    .replace(/^error parsing regexp: /, '')
    .replace(/^missing closing \)/, 'missing )')
    .replace(/: `(.*)`$/s, ': $1');
}
