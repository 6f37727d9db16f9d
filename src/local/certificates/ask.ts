import { http } from '../../base/node-http.ts';

const ANSWER_MS = 3000;
const MAX_ANSWER = 16 * 1024 * 1024;

/** What an HTTP server of the mesh answers to a GET, if that is JSON with status 200; otherwise an Error in words. */
export async function askJson(url: string): Promise<unknown> {
  return JSON.parse(await call('GET', url));
}

/** Gives an order to an HTTP server of the mesh; an Error in words if it is not carried out. */
export async function order(url: string): Promise<void> {
  await call('POST', url);
}

function call(method: string, url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { method, agent: false, signal: AbortSignal.timeout(ANSWER_MS) };
    const request = http.request(url, options, (answer) => {
      const chunks: Buffer[] = [];
      let size = 0;
      answer.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > MAX_ANSWER) answer.destroy(new Error(`more than ${MAX_ANSWER} bytes`));
      });
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if (answer.statusCode !== 200) reject(new Error(`status ${answer.statusCode}: ${text.trim().slice(0, 200)}`));
        else resolve(text);
      });
    });
    request.on('error', (error) => {
      const isLate = error.name === 'TimeoutError' || error.name === 'AbortError';
      reject(isLate ? new Error(`no answer within ${ANSWER_MS / 1000} s`) : error);
    });
    request.end();
  });
}
