/**
 * What an unquoted scalar means. Kubernetes and Istio read YAML with the rules of YAML 1.1 as go-yaml v2 knows them:
 * `yes` and `on` are booleans, `0400` is octal, dates and sexagesimal numbers stay strings.
 */
export function resolvePlain(text: string): string | number | boolean | null {
  const known = WORDS.get(text);
  if (known !== undefined) return known;
  const first = text.charCodeAt(0);
  // Only a digit, a sign or a dot can begin a number.
  if (!((first >= 48 && first <= 57) || first === 43 || first === 45 || first === 46)) return text;
  return resolveNumber(text) ?? text;
}

const WORDS = new Map<string, boolean | null>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map((w) => [w, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map((w) => [w, false] as const),
  ...['', '~', 'null', 'Null', 'NULL'].map((w) => [w, null] as const),
]);

const INFINITY = /^[-+]?\.(inf|Inf|INF)$/;
const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const INTEGER = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/;

/** The number that an unquoted scalar stands for, or undefined. Infinity and NaN have no JSON and are left to the caller. */
function resolveNumber(text: string): number | undefined {
  if (INFINITY.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (text === '.nan' || text === '.NaN' || text === '.NAN') return Number.NaN;
  const plain = text.replaceAll('_', '');
  const integer = INTEGER.exec(plain);
  if (integer !== null) {
    const digits = integer[2]!;
    const octal = /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits;
    return integer[1] === '-' ? -Number(octal) : Number(octal);
  }
  return FLOAT.test(plain) ? Number(plain) : undefined;
}
