import { UserError } from '../../base/errors.ts';
import type { LabelSelector } from '../../config/kinds/shared/selector.ts';
import { checkLabelKey } from '../../config/validation/names.ts';

type Requirement = NonNullable<LabelSelector['matchExpressions']>[number];

/** Reads a selector as `kubectl -l` does: `a=b,c!=d,e,!f,g in (x,y),h notin (z)`. Throws a UserError where it cannot. */
export function parseLabelSelector(text: string): LabelSelector {
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  if (text.trim() === '') return {};
  return { matchExpressions: parts.map((part) => requirement(part, text)) };
}

function requirement(part: string, whole: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(part);
  const equality = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(part);
  const existence = /^(!?)\s*([^=!\s()]+)$/.exec(part);
  const read: Requirement | undefined = set
    ? { key: set[1]!, operator: set[2] === 'in' ? 'In' : 'NotIn', values: set[3]!.split(',').map((v) => v.trim()) }
    : equality
      ? { key: equality[1]!, operator: equality[2] === '!=' ? 'NotIn' : 'In', values: [equality[3]!] }
      : existence
        ? { key: existence[2]!, operator: existence[1] === '!' ? 'DoesNotExist' : 'Exists' }
        : undefined;
  const wrong = read === undefined ? 'is not a requirement such as app=web' : checkLabelKey(read.key);
  if (read === undefined || wrong !== undefined) {
    throw new UserError(`unable to parse the selector ${JSON.stringify(whole)}: ${JSON.stringify(part)} ${wrong}`);
  }
  return read;
}
