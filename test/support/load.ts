import http from 'node:http';
import https from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { until } from './reference.ts';

export interface LoadOptions {
  /** Where to connect to, with the path: `http://ADDRESS:PORT/PATH`, or `https://`. */
  readonly url: string;
  /** The Host header. */
  readonly host: string;
  /** Requests a second; fewer if the machine has no more to give. */
  readonly rate?: number;
  /** Connections that are kept alive. */
  readonly connections?: number;
  /** Every so many requests one has a connection of its own, which ends with it; 0 for none. */
  readonly freshEvery?: number;
  /** For https: authorities, name, client certificate. */
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername'>;
  /** Sorts an answer into one of the counts; by its status unless told. */
  readonly sort?: (answer: http.IncomingMessage, body: string) => string;
}

/** Longer than anything here takes: a request that is not answered by then counts as failed. */
const ANSWER_MS = 30_000;
/** More than this are not sent before others are answered: the rate is then what the machine can give. */
const MAX_OPEN = 128;
const TICK_MS = 5;
const KEPT_FAILURES = 10;

/**
 * Clients that send requests at a steady rate, whether earlier ones have been answered or not, until they are stopped.
 * Nothing is sent twice: a connection that breaks under a request is a failed request.
 */
export class Load {
  readonly #options: LoadOptions;
  readonly #agent: http.Agent;
  readonly #timer: NodeJS.Timeout;
  readonly #startedAt = performance.now();
  /** How many requests should have been sent by now, less those that were dropped. */
  #skipped = 0;
  #open = 0;
  #sent = 0;
  #stopped = false;
  /** Answers, by what `sort` makes of them. */
  readonly answers = new Map<string, number>();
  /** Reasons of the first failed requests. */
  readonly failures: string[] = [];
  failed = 0;

  private constructor(options: LoadOptions) {
    this.#options = options;
    const agentOptions = { keepAlive: true, maxSockets: options.connections ?? 16, scheduling: 'fifo' as const };
    this.#agent = options.url.startsWith('https:')
      ? new https.Agent({ ...agentOptions, ...options.tls })
      : new http.Agent(agentOptions);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  static start(t: { after(fn: () => void | Promise<void>): void }, options: LoadOptions): Load {
    const load = new Load(options);
    t.after(() => load.stop());
    return load;
  }

  get sent(): number {
    return this.#sent;
  }

  /** How many answers there were of a sort. */
  count(sort: string): number {
    return this.answers.get(sort) ?? 0;
  }

  /** Resolves when so many more requests have been answered than were when it was called. */
  async more(count: number): Promise<void> {
    const answered = () => [...this.answers.values()].reduce((sum, n) => sum + n, this.failed);
    const wanted = answered() + count;
    await until(`${count} more requests`, () => answered() >= wanted || undefined, 60_000);
  }

  /** Resolves when so many more answers of a sort have come than had when it was called. */
  async see(sort: string, count = 100): Promise<void> {
    const wanted = this.count(sort) + count;
    await until(`${count} answers ${sort}, failures: ${this.failures}`, () => this.count(sort) >= wanted || undefined);
  }

  /** Sends nothing any more; resolves when everything has been answered. May be called more than once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await until('the last answers', () => this.#open === 0 || undefined, ANSWER_MS + 5000);
    this.#agent.destroy();
  }

  #tick(): void {
    const { rate = 1000 } = this.#options;
    const due = Math.floor(((performance.now() - this.#startedAt) / 1000) * rate) - this.#skipped - this.#sent;
    const possible = Math.min(due, MAX_OPEN - this.#open);
    this.#skipped += due - possible;
    for (let i = 0; i < possible && !this.#stopped; i++) this.#send();
  }

  #send(): void {
    const { url, host, freshEvery = 20, tls, sort = (answer) => String(answer.statusCode) } = this.#options;
    this.#sent++;
    this.#open++;
    const isFresh = freshEvery > 0 && this.#sent % freshEvery === 0;
    const options = { headers: { host }, timeout: ANSWER_MS, agent: isFresh ? false : this.#agent, ...tls };
    let isOver = false;
    const end = (failure?: string) => {
      if (isOver) return;
      isOver = true;
      this.#open--;
      if (failure === undefined) return;
      this.failed++;
      if (this.failures.length < KEPT_FAILURES) this.failures.push(failure);
    };
    const request = (url.startsWith('https:') ? https : http).get(url, options, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => (body += part));
      answer.on('error', (error) => end(`answer: ${error.message}`));
      answer.on('end', () => {
        if (isOver) return;
        const key = sort(answer, body);
        this.answers.set(key, this.count(key) + 1);
        end();
      });
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', (error) => end(`${isFresh ? 'new' : 'kept'} connection: ${error.message}`));
  }
}
