// What the services of this example share: an HTTP server of a few paths, and a client that asks through the sidecar.
import http from 'node:http';
import https from 'node:https';
import tls from 'node:tls';

const { HOST = '127.0.0.1', PORT = '9080' } = process.env;

/** What a request carries on to the requests that it leads to: identities of traces, and who is asking. */
const FORWARDED = [
  'x-request-id',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'x-ot-span-context',
  'x-datadog-trace-id',
  'x-datadog-parent-id',
  'x-datadog-sampling-priority',
  'x-cloud-trace-context',
  'grpc-trace-bin',
  'sw8',
  'user-agent',
  'authorization',
  'end-user',
];

/** The headers of a request that belong to the requests that it leads to. A sidecar cannot know which these are. */
export function forwarded({ headers }) {
  return Object.fromEntries(FORWARDED.filter((name) => headers[name]).map((name) => [name, headers[name]]));
}

// The sidecar takes HTTP for anywhere at http_proxy, and with CONNECT anything else. From Node 24 on fetch asks it by itself.
const proxy = process.env.http_proxy ? new URL(process.env.http_proxy) : undefined;

/** Asks for JSON. Resolves with the status and the parsed body, and fails when there is neither in time. */
export async function ask(url, { headers = {}, timeoutMs }) {
  const signal = AbortSignal.timeout(timeoutMs);
  const { protocol, host, hostname, port, pathname, search } = new URL(url);
  const isTls = protocol === 'https:';
  const path = pathname + search;
  let options = { host: hostname, port, path };
  if (proxy && isTls) {
    const socket = await connect(`${hostname}:${port || 443}`, signal);
    options = { path, createConnection: () => tls.connect({ socket, servername: hostname }) };
  } else if (proxy) options = { host: proxy.hostname, port: proxy.port, path: url };
  const { status, body } = await new Promise((resolve, reject) => {
    const client = isTls ? https : http;
    const request = client.get({ ...options, headers: { ...headers, host }, signal }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part) => (text += part));
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode, body: text }));
    });
    request.on('error', reject);
  });
  return { status, body: status === 200 ? JSON.parse(body) : undefined };
}

/** A connection through the sidecar to an authority of its own. */
function connect(authority, signal) {
  return new Promise((resolve, reject) => {
    const { hostname: host, port } = proxy;
    const request = http.request({
      host,
      port,
      method: 'CONNECT',
      path: authority,
      headers: { host: authority },
      signal,
    });
    request.on('error', reject);
    request.on('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) resolve(socket);
      else reject(new Error(`no way to ${authority}: ${statusCode}`));
    });
    request.end();
  });
}

/** An answer: JSON of a value, or a text as it is. */
export function answer(status, body, headers = {}) {
  const isText = typeof body === 'string';
  return {
    status,
    headers: { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json', ...headers },
    body: isText ? body : JSON.stringify(body),
  };
}

/**
 * Serves routes: method, path, and what answers. The path is a regular expression, whose groups are values; the handler
 * is given the request, the values and the body.
 */
export function serve(name, routes) {
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url, `http://${name}`);
    const { status, headers, body } = await respond(name, routes, request, pathname);
    response.writeHead(status, headers);
    response.end(body);
    console.log(`${request.method} ${request.url} ${status}`);
  });
  server.listen(Number(PORT), HOST, () => console.log(`${name} listens on ${HOST}:${PORT}`));
  process.on('SIGTERM', () => server.close());
}

async function respond(name, routes, request, pathname) {
  for (const [method, path, handler] of routes) {
    const match = new RegExp(`^${path}$`).exec(pathname);
    if (match === null || method !== request.method) continue;
    try {
      return await handler(request, match.slice(1), method === 'POST' ? await read(request) : '');
    } catch (error) {
      console.error(`${request.method} ${request.url}: ${error.message}`);
      return answer(error.status ?? 500, { error: error.message });
    }
  }
  return answer(404, { error: `${name} has no ${pathname}` });
}

const MAX_BODY = 64 * 1024;

async function read(request) {
  let body = '';
  for await (const part of request.setEncoding('utf8')) {
    body += part;
    if (body.length > MAX_BODY) throw Object.assign(new Error('the body is too long'), { status: 413 });
  }
  return body;
}
