/** The first value of a query parameter, decoded, or undefined. Each character of it is one byte. */
export function parameterOf(path: string, name: string): string | undefined {
  for (const pair of pairsOf(path)) if (nameOf(pair) === name) return percentDecode(pair.slice(equalsIn(pair) + 1));
  return undefined;
}

/** The path without any parameter of that name. The others stay as they were written. */
export function withoutParameter(path: string, name: string): string {
  const start = path.indexOf('?');
  if (start < 0) return path;
  const fragment = path.indexOf('#', start);
  const rest = pairsOf(path).filter((pair) => nameOf(pair) !== name);
  const query = rest.length === 0 ? '' : `?${rest.join('&')}`;
  return path.slice(0, start) + query + (fragment < 0 ? '' : path.slice(fragment));
}

function pairsOf(path: string): string[] {
  const start = path.indexOf('?');
  if (start < 0) return [];
  const end = path.indexOf('#', start);
  return path.slice(start + 1, end < 0 ? undefined : end).split('&');
}

/** Where the value begins is one behind; a pair without a sign has an empty value. */
function equalsIn(pair: string): number {
  const equals = pair.indexOf('=');
  return equals < 0 ? pair.length : equals;
}

function nameOf(pair: string): string {
  return percentDecode(pair.slice(0, equalsIn(pair)));
}

/** Malformed escapes stay as they are. */
export function percentDecode(text: string): string {
  return text.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
