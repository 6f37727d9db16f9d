// Load of a number of connections that each ask, wait for the answer, and ask again, for some seconds:
//   node bench/proxy/load.ts http1|http1-tls|http2 PORT CONNECTIONS SECONDS PATH
// Used where wrk and h2load are not installed. Prints one line of JSON.
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';

const [protocol, port, connections, seconds, path] = process.argv.slice(2);
const deadline = Date.now() + Number(seconds) * 1000;
let done = 0;
let failed = 0;

function onAnswer(status: number | undefined): void {
  if (status === 200) done++;
  else failed++;
}

const STREAMS = 16;

async function overHttp1(client: typeof http | typeof https): Promise<void> {
  const agent = new client.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false } as http.AgentOptions);
  while (Date.now() < deadline) {
    await new Promise<void>((resolve) => {
      const request = client.get({ host: '127.0.0.1', port, path, agent }, (response) => {
        onAnswer(response.statusCode);
        response.resume();
        response.once('end', resolve);
      });
      request.once('error', () => {
        failed++;
        resolve();
      });
    });
  }
  agent.destroy();
}

async function overHttp2(): Promise<void> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  const one = async () => {
    while (Date.now() < deadline) {
      await new Promise<void>((resolve) => {
        const stream = session.request({ ':path': path });
        stream.once('response', (headers) => onAnswer(headers[':status']));
        stream.once('error', () => failed++);
        stream.once('close', resolve);
        stream.resume();
      });
    }
  };
  await Promise.all(Array.from({ length: STREAMS }, one));
  session.close();
}

const clients = Array.from({ length: Number(connections) }, () => {
  if (protocol === 'http2') return overHttp2();
  return overHttp1(protocol === 'http1-tls' ? https : http);
});
await Promise.all(clients);
process.stdout.write(`${JSON.stringify({ done, failed })}\n`);
