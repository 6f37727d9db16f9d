// What the services of this example share: a small HTTP server, and a client that asks through the sidecar.
import http from 'node:http';

const { HOST = '127.0.0.1', PORT = '8080' } = process.env;

// The sidecar takes HTTP for anywhere at http_proxy. From Node 24 on fetch asks it by itself.
const proxy = process.env.http_proxy ? new URL(process.env.http_proxy) : undefined;

/** Asks for JSON. */
export function ask(url) {
  const { host, hostname, port, pathname, search } = new URL(url);
  const options = proxy
    ? { host: proxy.hostname, port: proxy.port, path: url, headers: { host } }
    : { host: hostname, port, path: pathname + search };
  return new Promise((resolve, reject) => {
    const request = http.get(options, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk) => (text += chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        if (answer.statusCode !== 200) reject(new Error(`${url} answers ${answer.statusCode}`));
        else resolve(JSON.parse(text));
      });
    });
    request.on('error', reject);
  });
}

/** Who has asked, as the sidecar that took the connection says; a program cannot forge it. */
export function caller({ headers }) {
  return /URI=([^;,]*)/.exec(headers['x-forwarded-client-cert'] ?? '')?.[1] ?? 'somebody without a certificate';
}

/** Serves paths: each maps a request and its URL to JSON, or to HTML where it is a text. */
export function serve(name, paths) {
  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url, `http://${name}`);
    const answer = (status, body) => {
      const isPage = typeof body === 'string';
      response.writeHead(status, { 'content-type': isPage ? 'text/html' : 'application/json' });
      response.end(isPage ? body : `${JSON.stringify(body)}\n`);
    };
    const handler = url.pathname === '/health' ? () => ({ ok: true }) : paths[url.pathname];
    if (handler === undefined) return answer(404, { error: `${name} has no ${url.pathname}` });
    try {
      answer(200, await handler(request, url));
    } catch (error) {
      answer(502, { error: error.message });
    }
  });
  server.listen(Number(PORT), HOST, () => console.log(`${name} listens on ${HOST}:${PORT}`));
  process.on('SIGTERM', () => server.close());
}
