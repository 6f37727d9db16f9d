/** What a path may need to have changed; nearly all need nothing. */
const SUSPICIOUS = /\/\.|[%\\"<>^`{|}]/;
/** Parameters of dot segments, which Envoy removes before anything else is looked at. */
const DOT_PARAMETERS = /\/(\.\.?);[^/]*/g;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '%22',
  '<': '%3C',
  '>': '%3E',
  '^': '%5E',
  '`': '%60',
  '{': '%7B',
  '|': '%7C',
  '}': '%7D',
};

/**
 * Normalises a path as Envoy's `normalize_path` does (the URL canonicalisation of RFC 3986 section 6, with the
 * additions of browsers): escapes of unreserved characters are decoded, characters that have no place in a path are
 * escaped, backslashes become slashes, dot segments are resolved; `.;x` and `..;x` between slashes count as dot segments,
 * which they do not behind a backslash. The query is left alone. Undefined if there is no canonical form.
 */
export function normalizePath(path: string): string | undefined {
  const query = path.indexOf('?');
  const end = query < 0 ? path.length : query;
  const given = query < 0 ? path : path.slice(0, end);
  if (!SUSPICIOUS.test(given)) return path;
  const raw = given.replace(DOT_PARAMETERS, '/$1');
  if (raw.includes('%00')) return undefined;
  const segments: string[] = [];
  const parts = raw.replaceAll('\\', '/').slice(1).split('/');
  parts.forEach((part, i) => {
    const last = i === parts.length - 1;
    const dots = dotSegment(part);
    if (dots === 0) {
      segments.push(canonicalSegment(part));
      return;
    }
    if (dots === 2) segments.pop();
    if (last) segments.push('');
  });
  const canonical = `/${segments.join('/')}`;
  return query < 0 ? canonical : canonical + path.slice(end);
}

/** 1 for `.`, 2 for `..`, in any spelling that counts as one; 0 for anything else. */
function dotSegment(part: string): 0 | 1 | 2 {
  if (part === '' || (part[0] !== '.' && part[0] !== '%')) return 0;
  if (part === '.') return 1;
  if (part === '..') return 2;
  const decoded = part.replaceAll(/%2e/gi, '.');
  return decoded === '.' ? 1 : decoded === '..' ? 2 : 0;
}

function canonicalSegment(part: string): string {
  return part
    .replace(/%([0-9a-fA-F]{2})/g, (encoded, hex: string) => {
      const character = String.fromCharCode(Number.parseInt(hex, 16));
      return /[A-Za-z0-9\-._~]/.test(character) ? character : encoded;
    })
    .replace(/["<>^`{|}]/g, (character) => ESCAPES[character]);
}

/** `merge_slashes`: runs of slashes in the path become one. */
export function mergeSlashes(path: string): string {
  const query = path.indexOf('?');
  const end = query < 0 ? path.length : query;
  const before = path.slice(0, end);
  if (!before.includes('//')) return path;
  // Where there is nothing between them, Envoy keeps the first slash and the last.
  const merged = /^\/+$/.test(before) ? '//' : before.replace(/\/{2,}/g, '/');
  return merged + path.slice(end);
}

/** `UNESCAPE_*`: escaped slashes and backslashes are decoded, in the path only. */
export function unescapeSlashes(path: string): string {
  const query = path.indexOf('?');
  const end = query < 0 ? path.length : query;
  return path.slice(0, end).replaceAll(/%2f/gi, '/').replaceAll(/%5c/gi, '\\') + path.slice(end);
}

/** Whether there is a slash or backslash in percent-encoding before the query. */
export function hasEscapedSlashes(path: string): boolean {
  const query = path.indexOf('?');
  return /%2f|%5c/i.test(query < 0 ? path : path.slice(0, query));
}
