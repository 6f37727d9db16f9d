// Asks for a URL again and again, `node requests.mjs URL [HOST]`, and prints a line of JSON for each answer: when it was
// asked (milliseconds since 1970), how long it took, and the status, or why there was none.
import http from 'node:http';

const [url, host] = process.argv.slice(2);
const EVERY_MS = 50;
const TIMEOUT_MS = 2000;

function ask() {
  const at = Date.now();
  const done = (result) => process.stdout.write(`${JSON.stringify({ at, ms: Date.now() - at, result })}\n`);
  const request = http.get(url, { agent: false, ...(host && { headers: { host } }) }, (response) => {
    response.resume().on('end', () => done(String(response.statusCode)));
  });
  request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error('no answer within 2 s')));
  request.on('error', (error) => done(error.code ?? error.message));
}

setInterval(ask, EVERY_MS);
