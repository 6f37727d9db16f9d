import path from 'node:path';
import { type Workplace, which } from './machine.ts';
import type { Scenario } from './scenario.ts';

/** Connections that are kept busy; HTTP/2 has fewer, with several requests on each. */
const CONNECTIONS = 32;
const HTTP2_CONNECTIONS = 4;
const HTTP2_STREAMS = 16;
const GENERATOR_CPU = 1;

export interface Load {
  readonly requests: number;
  readonly seconds: number;
}

/** Where requests come from: wrk and h2load where they are installed, else a program of our own. */
export function generatorOf({ downstream }: Scenario): string {
  const name = downstream === 'http2' ? 'h2load' : 'wrk';
  return which(name) === undefined ? 'own' : name;
}

/** Sends as much as can be answered, for some seconds. Fails if an answer is not a 200. */
export async function load(scenario: Scenario, port: number, seconds: number, place: Workplace): Promise<Load> {
  const began = process.hrtime.bigint();
  const requests = await send(scenario, port, seconds, place);
  return { requests, seconds: Number(process.hrtime.bigint() - began) / 1e9 };
}

async function send(scenario: Scenario, port: number, seconds: number, place: Workplace): Promise<number> {
  const { downstream, path: target } = scenario;
  const scheme = downstream === 'http1-tls' ? 'https' : 'http';
  const url = `${scheme}://127.0.0.1:${port}${target}`;
  switch (generatorOf(scenario)) {
    case 'wrk': {
      const text = await place.run(which('wrk')!, ['-t1', `-c${CONNECTIONS}`, `-d${seconds}`, url], GENERATOR_CPU);
      if (/Non-2xx|Socket errors/.test(text)) throw new Error(`wrk had errors:\n${text}`);
      return numberOf(text, /(\d+) requests in/);
    }
    case 'h2load': {
      const args = [`-c${HTTP2_CONNECTIONS}`, `-m${HTTP2_STREAMS}`, '-t1', `-D${seconds}`, url];
      const text = await place.run(which('h2load')!, args, GENERATOR_CPU);
      if (!/, 0 failed, 0 errored, 0 timeout/.test(text)) throw new Error(`h2load had errors:\n${text}`);
      return numberOf(text, /(\d+) succeeded/);
    }
    default: {
      const program = path.join(import.meta.dirname, 'load.ts');
      const connections = downstream === 'http2' ? HTTP2_CONNECTIONS : CONNECTIONS;
      const args = [program, downstream, String(port), String(connections), String(seconds), target];
      const { done, failed } = JSON.parse(await place.run(process.execPath, args, GENERATOR_CPU)) as {
        done: number;
        failed: number;
      };
      if (failed > 0) throw new Error(`${failed} requests failed`);
      return done;
    }
  }
}

function numberOf(text: string, pattern: RegExp): number {
  const [, number] = pattern.exec(text) ?? [];
  if (number === undefined) throw new Error(`no count of requests in:\n${text}`);
  return Number(number);
}
