import https from 'node:https';
import { http } from '../../base/node-http.ts';
import { isRecord } from '../../config/schema/index.ts';

/** Where a host and port of a URL are reached; undefined where DNS knows. */
export type Locate = (host: string, port: number) => { readonly address: string; readonly port: number } | undefined;

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 1 << 20;
const MAX_REDIRECTS = 5;

/** The key set (RFC 7517) at a URL, as text. Rejects with an error of one clause for what is none. */
export async function fetchKeySet(uri: string, locate: Locate): Promise<string> {
  const text = await fetchText(uri, locate);
  const value = parse(text);
  if (!isRecord(value) || !Array.isArray(value.keys)) throw new Error(`${uri} is not a key set`);
  return text;
}

/** Where an issuer says that its keys are (OpenID Connect Discovery 1.0, section 4). */
export async function discoverKeySet(issuer: string, locate: Locate): Promise<string> {
  const uri = `${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`;
  const value = parse(await fetchText(uri, locate));
  const found = isRecord(value) ? value.jwks_uri : undefined;
  if (typeof found !== 'string') throw new Error(`${uri} has no jwks_uri`);
  return found;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function fetchText(uri: string, locate: Locate): Promise<string> {
  let url = urlOf(uri);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await get(url, locate);
    if (typeof response === 'string') return response;
    url = urlOf(new URL(response.location, url).href);
  }
  throw new Error(`${uri} redirects more than ${MAX_REDIRECTS} times`);
}

function urlOf(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Error(`${text} is not a URL of HTTP or HTTPS`);
  return url;
}

/** The body of a response, or where it sends us. */
function get(url: URL, locate: Locate): Promise<string | { readonly location: string }> {
  const isSecure = url.protocol === 'https:';
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (isSecure ? 443 : 80);
  const at = locate(hostname, port) ?? { address: hostname, port };
  const options: https.RequestOptions = {
    host: at.address,
    port: at.port,
    path: url.pathname + url.search,
    headers: { host: url.host, accept: 'application/json' },
    agent: false,
    // Covers the whole exchange, not only silence.
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(isSecure && !isAddress(hostname) ? { servername: hostname } : {}),
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      const why = error.name === 'AbortError' ? `does not answer within ${TIMEOUT_MS / 1000} s` : error.message;
      reject(new Error(`${url.href}: ${why}`));
    };
    const request = (isSecure ? https : http).request(options, (response) => {
      const { statusCode = 0, headers } = response;
      if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
        response.resume();
        resolve({ location: headers.location });
        return;
      }
      if (statusCode !== 200) {
        response.resume();
        fail(new Error(`answers ${statusCode}`));
        return;
      }
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BYTES) response.destroy(new Error(`is larger than ${MAX_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    });
    request.on('error', fail);
    request.end();
  });
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':');
}
