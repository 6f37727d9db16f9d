import { keepingBytes, wireForm } from '../../../base/bytes.ts';
import type { StreamInfo } from '../stream-info.ts';
import { OPERATORS, type Operator } from './operators.ts';

/** A compiled text with `%OPERATORS%`. */
export interface Format {
  /** The text for one stream; operators without a value print as `absent`, and others as `shape` has it, if given. */
  render(info: StreamInfo, absent: string, shape?: (text: string) => string): string;
  /** The one operator that the text consists of, if it does: in JSON logs it keeps its type. */
  readonly single: Operator | undefined;
  /** The text, if there is no operator in it. */
  readonly constant: string | undefined;
}

/** `%NAME%`, `%NAME(argument)%`, `%NAME(argument):length%`, and `%%` for a per cent sign. */
const OPERATOR = /%(?:%|([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?(?::(\d+))?%)/y;

/**
 * Compiles a format of Envoy's substitution syntax. Throws an Error that names the operator and what is wrong with it.
 */
export function compileFormat(text: string): Format {
  const parts: (string | Operator)[] = [];
  let literal = '';
  for (let i = 0; i < text.length; ) {
    if (text[i] !== '%') {
      literal += text[i++];
      continue;
    }
    OPERATOR.lastIndex = i;
    const match = OPERATOR.exec(text);
    if (!match) throw new Error(`incorrect configuration: ${text.slice(i, i + 40)}. Expecting %OPERATOR% or %%`);
    i += match[0].length;
    if (match[1] === undefined) {
      literal += '%';
      continue;
    }
    if (literal !== '') parts.push(literal);
    literal = '';
    parts.push(compileOperator(match[1], match[2], match[3]));
  }
  if (literal !== '') parts.push(literal);
  if (parts.every((p) => typeof p === 'string')) {
    const constant = parts.join('');
    return { constant, single: undefined, render: () => constant };
  }
  return {
    constant: undefined,
    single: parts.length === 1 ? (parts[0] as Operator) : undefined,
    render(info, absent, shape) {
      let out = '';
      for (const part of parts) {
        if (typeof part === 'string') out += part;
        else out += shape === undefined ? show(part(info), absent) : shape(show(part(info), absent));
      }
      return out;
    },
  };
}

function show(value: ReturnType<Operator>, absent: string): string {
  if (value === undefined) return absent;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function compileOperator(name: string, argument: string | undefined, limit: string | undefined): Operator {
  const compiler = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
  if (compiler === undefined) throw new Error(`%${name}% is not a known operator`);
  let operator: Operator;
  try {
    operator = compiler(argument);
  } catch (error) {
    throw new Error(`%${name}%: ${(error as Error).message}`);
  }
  if (limit === undefined) return operator;
  const length = Number(limit);
  return (info) => {
    const value = operator(info);
    return typeof value === 'string' ? cut(value, length) : value;
  };
}

/** The first bytes of a text, even if they end within a character. */
function cut(text: string, length: number): string {
  const wire = wireForm(text);
  return wire === text ? text.slice(0, length) : keepingBytes(wire.slice(0, length));
}
