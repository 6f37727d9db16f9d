import type { HeaderMutation } from '../../api/gen/envoy/config/common/mutation_rules/v3/mutation_rules_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { type HeaderEdits, headerEdits } from './header-edits.ts';
import { stringTest } from './string-match.ts';

/** Compiles mutations, which apply one after the other: what is removed behind an addition takes it away again. */
export function headerMutations(mutations: readonly HeaderMutation[], errors: ConfigErrors): readonly HeaderEdits[] {
  return mutations.flatMap(({ action }, i): readonly HeaderEdits[] => {
    const at = errors.at(i);
    switch (action.case) {
      case 'append': {
        const name = action.value.header?.key.toLowerCase() ?? '';
        if (name === 'host' || name.startsWith(':')) {
          at.add('append.header.key', ':-prefixed or host headers may not be modified');
          return [];
        }
        return present(headerEdits([action.value], [], at, 'headers'));
      }
      case 'remove':
        return present(headerEdits([], [action.value], at, 'headers'));
      case 'removeOnMatch': {
        const { keyMatcher } = action.value;
        if (keyMatcher === undefined) {
          at.add('remove_on_match.key_matcher', 'is needed');
          return [];
        }
        const matches = stringTest(keyMatcher, at.at('remove_on_match').at('key_matcher'));
        return [(headers) => headers.removeIf((name) => matches(name))];
      }
      default:
        at.add('', 'remove, append or remove_on_match is needed');
        return [];
    }
  });
}

function present(edits: HeaderEdits | undefined): readonly HeaderEdits[] {
  return edits === undefined ? [] : [edits];
}
