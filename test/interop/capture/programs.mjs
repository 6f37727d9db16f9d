// Programs that know nothing of proxies: `KIND:NAME:PORT...`. HTTP says who it is and what it was asked, or at
// `/peer` who asks; `first` speaks first, as MySQL does, and tells those who say `who` who they are; `tls` is HTTP with the certificate of the folder in CERTS.
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';

const servers = {
  http: (name) => http.createServer((request, response) => answer(name, request, response)),
  tls: (name) => https.createServer(certificates(), (request, response) => answer(name, request, response)),
  first: (name) =>
    net.createServer((socket) => {
      socket.on('error', () => {});
      socket.write(`${name} greets\n`);
      socket.once('data', (data) => socket.end(`${name} ${answerTo(`${data}`, socket)}`));
    }),
};

function answer(name, { method, url, headers, socket }, response) {
  if (url === '/peer') return response.end(`${name} sees ${plain(socket.remoteAddress)}`);
  const delay = Number(headers['x-delay-ms'] ?? 0);
  setTimeout(() => response.end(`${name} ${method} ${url} of ${headers.host}${mark(headers['x-mark'])}`), delay);
}

const answerTo = (said, { remoteAddress }) => (said === 'who\n' ? `sees ${plain(remoteAddress)}\n` : `heard ${said}`);
const plain = (address) => address.replace('::ffff:', '');
const mark = (text) => (text === undefined ? '' : ` ${text}`);

function certificates() {
  const read = (name) => fs.readFileSync(path.join(process.env.CERTS, name));
  return { cert: read('cert-chain.pem'), key: read('key.pem') };
}

for (const word of process.argv.slice(2)) {
  const [kind, name, port] = word.split(':');
  servers[kind](name).listen(Number(port));
}
