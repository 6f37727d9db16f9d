/** Where a scalar stands. */
export interface ScalarPlace {
  /** Of the lines that follow the first, in spaces. */
  readonly indent: number;
  /** Characters before the scalar in its line. */
  readonly column: number;
  /** Column from which on a line is folded at the next space. */
  readonly width: number;
}

/**
 * A string in the form that go-yaml chooses: plain where it would be read back as the same string, `|` where it has
 * several lines, otherwise in quotes.
 */
export function formatYamlText(text: string, place: ScalarPlace): string {
  const style = analyze(text);
  if (text.includes('\n')) {
    return style.literal ? formatLiteral(text, place) : formatDoubleQuoted(text, place);
  }
  if (readsAsOther(text)) return formatDoubleQuoted(text, place);
  if (style.plain) return fold(text, place, (word) => word, 0);
  if (style.single) return `'${fold(text, place, (word) => word.replaceAll("'", "''"), 1)}'`;
  return formatDoubleQuoted(text, place);
}

/** A number of JSON as go-yaml prints it after having read it: what 64 bits hold is an integer, the rest as Go's `%g`. */
export function formatYamlNumber(value: number): string {
  if (Object.is(value, -0)) return '0';
  if (Number.isInteger(value) && value < 2 ** 64 && value >= -(2 ** 63)) return String(BigInt(value));
  const [digits, exponentText] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

interface Styles {
  readonly plain: boolean;
  readonly single: boolean;
  readonly literal: boolean;
}

/** Which styles a string can have, by the rules for indicators, spaces and line breaks. */
function analyze(text: string): Styles {
  if (text === '') return { plain: true, single: true, literal: false };
  const special = SPECIAL.test(text);
  const spaceBeforeBreak = / [\n\u2028\u2029]/.test(text);
  const spaceAfterBreak = /[\n\u2028\u2029] /.test(text);
  const breaks = BREAK.test(text);
  const edge = /^[ \n\u2028\u2029]|[ \n\u2028\u2029]$/.test(text);
  const sound = !special && !spaceBeforeBreak;
  return {
    plain: sound && !spaceAfterBreak && !breaks && !edge && !hasIndicator(text),
    single: sound && !spaceAfterBreak,
    literal: sound && !text.endsWith(' '),
  };
}

const BREAK = /[\n\u2028\u2029]/;
/** What go-yaml does not print as it is. Characters beyond the basic plane count, too. */
const SPECIAL = /[^\n\x20-\x7e\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd]/;

function hasIndicator(text: string): boolean {
  return (
    /^(?:---|\.\.\.)/.test(text) ||
    /^[#,[\]{}&*!|>'"%@`]/.test(text) ||
    /^[?:-](?:[ \t\n]|$)/.test(text) ||
    /:(?:[ \t\n]|$)/.test(text) ||
    /[ \t\n]#/.test(text)
  );
}

const WORDS =
  /^(?:y|Y|yes|Yes|YES|on|On|ON|true|True|TRUE|n|N|no|No|NO|off|Off|OFF|false|False|FALSE|~|null|Null|NULL|\.nan|\.NaN|\.NAN|[+-]?\.(?:inf|Inf|INF))?$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const BASE_60 = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/;
const TIMESTAMP =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)| (\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?))?$/;

/** Whether a plain text would be read as a boolean, null, number or time, as YAML 1.1 has them. */
function readsAsOther(text: string): boolean {
  if (WORDS.test(text) || BASE_60.test(text)) return true;
  if (!/^[-+.0-9]/.test(text)) return false;
  if (text.startsWith('.')) return isFloat(text);
  const number = text.replaceAll('_', '');
  return isFloat(number) || isInteger(number) || isTimestamp(text);
}

function isFloat(text: string): boolean {
  return FLOAT.test(text) && Number.isFinite(Number(text));
}

function isInteger(text: string): boolean {
  const match = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))$/.exec(text);
  if (match === null) return false;
  const [, sign, hex, binary, octal, decimal] = match;
  const digits = hex ? `0x${hex}` : binary ? `0b${binary}` : octal ? `0o${octal}` : decimal;
  const size = BigInt(digits);
  return sign === '' ? size < 1n << 64n : size <= (1n << 63n) - (sign === '+' ? 1n : 0n);
}

function isTimestamp(text: string): boolean {
  const match = TIMESTAMP.exec(text);
  if (match === null) return false;
  const [, year, month, day, ...clock] = match.map(Number);
  const [hour, minute, second] = Number.isNaN(clock[0]) ? clock.slice(3) : clock;
  const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const dateIsReal = month >= 1 && month <= 12 && day >= 1 && day <= days;
  return dateIsReal && !(hour > 23 || minute > 59 || second > 59);
}

/** Breaks a line at the first single space after the width has been reached. */
function fold(text: string, place: ScalarPlace, write: (piece: string) => string, quotes: 0 | 1): string {
  let column = place.column + quotes;
  let result = '';
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const foldable =
      column > place.width &&
      text[i] === ' ' &&
      text[i - 1] !== ' ' &&
      text[i + 1] !== ' ' &&
      (quotes === 0 || (i > 0 && i < text.length - 1));
    if (foldable) {
      result += `${write(text.slice(start, i))}\n${' '.repeat(place.indent)}`;
      start = i + 1;
      column = place.indent;
    } else column += write(text[i]).length;
  }
  return result + write(text.slice(start));
}

function formatLiteral(text: string, place: ScalarPlace): string {
  const hint = /^[ \n]/.test(text) ? '2' : '';
  const chomp = !text.endsWith('\n') ? '-' : text.endsWith('\n\n') || text === '\n' ? '+' : '';
  const body = text.endsWith('\n') ? text.slice(0, -1) : text;
  const lines = body.split('\n').map((line) => (line === '' ? '' : ' '.repeat(place.indent) + line));
  return [`|${hint}${chomp}`, ...lines].join('\n');
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\0': '\\0',
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\x85': '\\N',
  '\u2028': '\\L',
  '\u2029': '\\P',
};

function formatDoubleQuoted(text: string, place: ScalarPlace): string {
  let column = place.column + 1;
  let result = '"';
  let afterSpace = false;
  const chars = [...text];
  chars.forEach((char, i) => {
    let piece = escapeChar(char);
    if (char === ' ') {
      if (!afterSpace && column > place.width && i > 0 && i < chars.length - 1) {
        piece = `\n${' '.repeat(place.indent)}${chars[i + 1] === ' ' ? '\\' : ''}`;
        column = place.indent - piece.length + (chars[i + 1] === ' ' ? 1 : 0);
      }
      afterSpace = true;
    } else afterSpace = false;
    result += piece;
    column += piece.length;
  });
  return `${result}"`;
}

function escapeChar(char: string): string {
  const known = ESCAPES[char];
  if (known !== undefined) return known;
  if (!SPECIAL.test(char)) return char;
  const code = char.codePointAt(0)!;
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
