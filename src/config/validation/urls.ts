/** Characters that Go's URL parser, which decides for Istio, does not take in a host. */
const BAD_HOST = /[\s\\^`{|}\u0000-\u001f\u007f]|%[0-7]/;

interface ParsedUrl {
  readonly scheme: string;
  readonly port: string;
}

/** Splits a URL as leniently as Go does, or says what is wrong with it. */
function parseUrl(text: string): ParsedUrl | string {
  if (/[\u0000-\u001f\u007f]/.test(text)) return 'has control characters';
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase() ?? '';
  if (scheme === '' && text.startsWith(':')) return 'begins with a colon instead of a scheme';
  const rest = scheme === '' ? text : text.slice(scheme.length + 1);
  if (!rest.startsWith('//')) {
    const colon = rest.indexOf(':');
    const slash = rest.indexOf('/');
    if (scheme === '' && colon !== -1 && (slash === -1 || colon < slash)) return 'has a colon in its first segment';
    return { scheme, port: '' };
  }
  const authority = /^\/\/([^/?#]*)/.exec(rest)![1]!;
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  if (BAD_HOST.test(host)) return `has a host that is not one: ${JSON.stringify(host)}`;
  const port = /^(?:\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/.exec(host);
  if (port === null) return `has a host that is not one: ${JSON.stringify(host)}`;
  if (!/^\d*$/.test(port[1] ?? '')) return `has a port that is not a number: ${JSON.stringify(port[1])}`;
  const [beforeQuery = '', ...afterQuery] = rest.split(/\?[^#]*/);
  if (/%(?![0-9a-fA-F]{2})/.test(beforeQuery + afterQuery.join('')))
    return 'has a % that is not followed by two hexadecimal digits';
  return { scheme, port: port[1] ?? '' };
}

/** What is wrong with the address of a key set, as a clause, or undefined. */
export function checkJwksUri(text: string): string | undefined {
  const url = parseUrl(text);
  if (typeof url === 'string') return url;
  if (url.scheme !== 'http' && url.scheme !== 'https')
    return `must begin with http:// or https://, not ${JSON.stringify(text)}`;
  return Number(url.port) > Number.MAX_SAFE_INTEGER ? `has a port that is not one: ${url.port}` : undefined;
}

const PLUGIN_SCHEMES = new Set(['', 'file', 'http', 'https', 'oci']);

/** What is wrong with the address of a WebAssembly module, as a clause, or undefined. Without a scheme it is an image. */
export function checkPluginUrl(text: string): string | undefined {
  // Without a scheme it is an image; `registry:5000/image` is none, since everything before the colon is a scheme.
  const isAbsolute = text.startsWith('/') || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(text);
  if (!isAbsolute && text.includes('#')) return 'must not have a # in the name of an image';
  let url = parseUrl(isAbsolute ? text : `http://${text}`);
  if (typeof url === 'string' && isAbsolute) url = parseUrl(`http://${text}`);
  if (typeof url === 'string') return url;
  if (!PLUGIN_SCHEMES.has(url.scheme))
    return `must be an image, or begin with oci://, https://, http:// or file://, not ${url.scheme}:`;
  return undefined;
}
