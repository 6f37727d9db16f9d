import {
  HeaderValueOption_HeaderAppendAction as Action,
  type HeaderValueOption,
} from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { wireForm } from '../../base/bytes.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { compileFormat } from '../observe/format/format.ts';
import type { StreamInfo } from '../observe/stream-info.ts';

/** Compiled additions and removals of headers; undefined where there are none. */
export type HeaderEdits = (headers: Headers, info: StreamInfo) => void;

/** `headers_to_add` and `headers_to_remove`: removals come first, as in Envoy. */
export function headerEdits(
  add: readonly HeaderValueOption[],
  remove: readonly string[],
  errors: ConfigErrors,
  field: string,
): HeaderEdits | undefined {
  const removals = remove.map((name, i) => {
    const lower = name.toLowerCase();
    if (lower === 'host' || lower.startsWith(':'))
      errors.at(`${field}_to_remove`).at(i).add('', ':-prefixed or host headers may not be removed');
    return lower;
  });
  const additions = add.map((option, i) => addition(option, errors.at(`${field}_to_add`).at(i)));
  if (removals.length === 0 && additions.length === 0) return undefined;
  return (headers, info) => {
    for (const name of removals) headers.remove(name);
    for (const addTo of additions) addTo(headers, info);
  };
}

function addition(option: HeaderValueOption, errors: ConfigErrors): HeaderEdits {
  const header = option.header;
  if (header === undefined) {
    errors.add('header', 'is needed');
    return () => {};
  }
  const lower = header.key.toLowerCase();
  const name = lower === 'host' ? ':authority' : lower;
  const action = actionOf(option);
  if (name.startsWith(':') && action === Action.APPEND_IF_EXISTS_OR_ADD) {
    errors.add('header.key', ':-prefixed or host headers may not be modified');
  }
  const keepEmpty = option.keepEmptyValue;
  let value: (info: StreamInfo) => string;
  try {
    const format = compileFormat(header.value);
    const constant = format.constant === undefined ? undefined : wireForm(format.constant);
    value = constant === undefined ? (info) => wireForm(format.render(info, '')) : () => constant;
  } catch (error) {
    errors.add('header.value', (error as Error).message);
    return () => {};
  }
  return (headers, info) => {
    const text = value(info);
    if (text === '' && !keepEmpty) return;
    switch (action) {
      case Action.APPEND_IF_EXISTS_OR_ADD:
        headers.add(name, text);
        break;
      case Action.ADD_IF_ABSENT:
        if (!headers.has(name)) headers.set(name, text);
        break;
      case Action.OVERWRITE_IF_EXISTS:
        if (headers.has(name)) headers.set(name, text);
        break;
      default:
        headers.set(name, text);
    }
  };
}

function actionOf(option: HeaderValueOption): Action {
  if (option.append === undefined) return option.appendAction;
  return option.append ? Action.APPEND_IF_EXISTS_OR_ADD : Action.OVERWRITE_IF_EXISTS_OR_ADD;
}
