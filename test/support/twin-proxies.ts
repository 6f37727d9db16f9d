import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '@bufbuild/protobuf';
import { BootstrapSchema } from '../../src/api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import { withoutNamedField } from '../interop/coverage/set-fields.ts';
import { socketAddress } from './envoy-config.ts';
import {
  type BackendHandler,
  encodeMessage,
  exchange,
  headerOf,
  RawBackend,
  type RawMessage,
  type RawResponse,
} from './raw-http.ts';
import { recordConfig } from './recorded-config.ts';
import { freePorts, referenceProgram, scratch, until } from './reference.ts';

/**
 * Real Envoy and our proxy under one configuration, each with backends of its own, so that the same request to both
 * shows every difference in what the client, the upstream and the access log see.
 */

/** What a bootstrap is built from, once for each of the two. */
export interface TwinEnv {
  readonly program: 'envoy' | 'isthmus';
  /** A folder that goes with the test. */
  readonly folder: string;
  /** Port of a listener. */
  port(listener: string): number;
  /** File of a listener's access log. */
  log(listener: string): string;
  /** Port of a backend. */
  backend(name: string): number;
}

export interface TwinOptions {
  readonly listeners: readonly string[];
  /** Makes the raw HTTP/1 servers of a twin, by name; `backend` answers 200 with what it was asked unless told. */
  readonly backends?: () => Readonly<Record<string, BackendHandler>>;
  /** Servers of another kind: starts one for a twin and returns its port. */
  readonly servers?: Readonly<Record<string, (t: TestContext) => Promise<number>>>;
  /** The bootstrap without the address of its admin interface. */
  bootstrap(env: TwinEnv): JsonObject;
  readonly logLevel?: string;
  /** Further flags of the two programs. */
  readonly flags?: readonly string[];
}

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Status, length and a line with the request's first line: enough to see that it came through. */
export const echo: BackendHandler = (request) =>
  encodeMessage('HTTP/1.1 200 OK', [['x-backend', 'echo']], `${request.startLine}\n${request.body.toString('latin1')}`);

/** One of the two. */
export class Twin {
  readonly program: 'envoy' | 'isthmus';
  readonly env: TwinEnv;
  readonly backends: ReadonlyMap<string, RawBackend>;
  readonly adminPort: number;
  readonly #ports: ReadonlyMap<string, number>;
  readonly #read = new Map<string, number>();

  constructor(env: TwinEnv, ports: ReadonlyMap<string, number>, adminPort: number, backends: Map<string, RawBackend>) {
    this.program = env.program;
    this.env = env;
    this.#ports = ports;
    this.adminPort = adminPort;
    this.backends = backends;
  }

  /** A text with the ports of this twin replaced by names, so that the two can be compared. */
  named(text: string): string {
    let result = text;
    for (const [name, port] of this.#ports) result = result.replaceAll(`:${port}`, `:<${name}>`);
    return result.replaceAll(this.env.folder, '<folder>');
  }

  /** The next lines of a listener's access log, once there are `count` more than were read of those that count. */
  async logLines(listener: string, count = 1, counted = /^/): Promise<string[]> {
    const file = this.env.log(listener);
    const read = this.#read.get(listener) ?? 0;
    return await until(`${this.program}: ${count} more lines in the log of ${listener}`, () => {
      const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
      const lines = text.split('\n').slice(read, -1);
      if (lines.filter((line) => counted.test(line)).length < count) return undefined;
      this.#read.set(listener, read + lines.length);
      return lines.map((line) => this.named(line));
    });
  }

  /** What the admin interface answers. */
  async admin(target: string, method = 'GET'): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}${target}`, { method });
    return await response.text();
  }
}

export interface Twins {
  readonly envoy: Twin;
  readonly isthmus: Twin;
}

/** Starts both and waits until they serve. They end with the test. */
export async function twinProxies(t: TestContext, options: TwinOptions): Promise<Twins> {
  const [envoy, isthmus] = await Promise.all([start(t, 'envoy', options), start(t, 'isthmus', options)]);
  return { envoy, isthmus };
}

/** Starts only one of the two: for what the other refuses, and for what needs no comparison. */
export async function start(t: TestContext, program: Twin['program'], options: TwinOptions): Promise<Twin> {
  const folder = scratch(t);
  const backends = new Map<string, RawBackend>();
  const ports = new Map<string, number>();
  for (const [name, handler] of Object.entries({ backend: echo, ...options.backends?.() })) {
    const backend = new RawBackend(handler);
    backends.set(name, backend);
    ports.set(name, await backend.listen());
    t.after(() => backend.close());
  }
  for (const [name, server] of Object.entries(options.servers ?? {})) ports.set(name, await server(t));
  const [adminPort, ...free] = await freePorts(options.listeners.length + 1);
  options.listeners.forEach((name, i) => ports.set(name, free[i]));
  const env: TwinEnv = {
    program,
    folder,
    port: (name) => ports.get(name) ?? assert.fail(`no listener ${name}`),
    backend: (name) => ports.get(name) ?? assert.fail(`no backend ${name}`),
    log: (name) => path.join(folder, `${name}.log`),
  };
  const file = path.join(folder, 'bootstrap.json');
  const bootstrap = options.bootstrap(env);
  const admin = { ...(bootstrap.admin as JsonObject | undefined), address: socketAddress(adminPort) };
  const config = { ...bootstrap, admin };
  recordConfig(BootstrapSchema, config, program);
  fs.writeFileSync(file, JSON.stringify(program === 'isthmus' ? withoutNamedField(BootstrapSchema, config) : config));
  const process = startProgram(t, program, file, folder, options);
  await until(`${program} is ready`, async () => {
    if (process.ended) return true;
    const response = await fetch(`http://127.0.0.1:${adminPort}/ready`);
    await response.text();
    return response.status === 200;
  }).catch((error: Error) => {
    throw new Error(`${error.message}:\n${process.lastWords()}`);
  });
  process.check();
  return new Twin(env, ports, adminPort, backends);
}

function startProgram(
  t: TestContext,
  program: Twin['program'],
  file: string,
  folder: string,
  { logLevel: level = 'warning', flags = [] }: TwinOptions,
) {
  const common = ['-c', file, '--concurrency', '1', '--file-flush-interval-msec', '1', '-l', level, ...flags];
  const output = path.join(folder, 'output.log');
  const fd = fs.openSync(output, 'w');
  const options = { cwd: ROOT, stdio: ['ignore', fd, fd] as ('ignore' | number)[] };
  const child =
    program === 'envoy'
      ? spawn(referenceProgram('envoy'), [...common, '--use-dynamic-base-id', '--disable-hot-restart'], options)
      : spawn(process.execPath, [path.join(ROOT, 'src/cli/main.ts'), 'proxy', ...common], options);
  fs.closeSync(fd);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    get ended() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    lastWords: () => fs.readFileSync(output, 'utf8').split('\n').slice(-12).join('\n'),
    check() {
      if (this.ended) throw new Error(`${program} ended:\n${this.lastWords()}`);
    },
  };
}

export interface RequestSpec {
  readonly method?: string;
  readonly path?: string;
  /** Host is added unless it is among them. */
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string | Uint8Array;
}

/** One request to both, and what has to be so besides that the two agree. */
export interface TwinCase {
  readonly name: string;
  readonly listener?: string;
  /** A request, or the bytes of one in pieces. */
  readonly send?: RequestSpec | readonly (string | Uint8Array)[];
  /** Raw answer of `backend` for this request. */
  readonly answer?: string | Uint8Array;
  /** Lines that the access log gets; 1 unless told. */
  readonly lines?: number;
  /** Which of the lines are counted; all unless told. */
  readonly counted?: RegExp;
  /** What Envoy answers, so that the case is known to test what it says. */
  readonly want?: {
    readonly status?: number;
    readonly body?: string | RegExp;
    /** Value by name; undefined for a header that must not be there. */
    readonly headers?: Readonly<Record<string, string | RegExp | undefined>>;
    /** Number of requests that reached the backend. */
    readonly upstream?: number;
    readonly log?: string | RegExp;
  };
  /** Parts in which the two are known to differ, and why that is right. */
  readonly except?: { readonly parts: readonly (keyof Observation)[]; readonly because: string };
}

/** Everything that is compared. */
export interface Observation {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly informational: readonly string[];
  /** What reached the backends: name, first line, headers, body. */
  readonly upstream: readonly string[];
  readonly log: readonly string[];
}

const CHANGING: Readonly<Record<string, string>> = {
  'x-request-id': '<id>',
  'x-envoy-upstream-service-time': '<ms>',
  date: '<date>',
  'x-envoy-expected-rq-timeout-ms': '<ms>',
  'x-forwarded-port': '<port>',
};

function headerLines(headers: RawMessage['headers'], twin: Twin): string[] {
  // Names come in no promised order; values of one name do.
  return headers
    .map(([name, value]) => `${name}: ${CHANGING[name.toLowerCase()] ?? twin.named(value)}`)
    .map((line, i) => [line.slice(0, line.indexOf(':')), i, line] as const)
    .sort(([a, i], [b, j]) => (a < b ? -1 : a > b ? 1 : i - j))
    .map(([, , line]) => line);
}

function describeRequest(backend: string, request: RawMessage, twin: Twin): string {
  const headers = headerLines(request.headers, twin);
  const trailers = headerLines(request.trailers, twin);
  return [`${backend} <- ${request.startLine}`, ...headers, '', request.body.toString('latin1'), ...trailers].join(
    '\n',
  );
}

export function requestBytes(spec: RequestSpec): Buffer {
  const { method = 'GET', path: target = '/', headers = [], body } = spec;
  const all = headers.some(([name]) => /^host$/i.test(name)) ? headers : [['host', 'example.com'] as const, ...headers];
  return encodeMessage(`${method} ${target} HTTP/1.1`, all, body);
}

function isPieces(send: TwinCase['send']): send is readonly (string | Uint8Array)[] {
  return Array.isArray(send);
}

/** Sends one request to one twin and gathers everything that can be seen of it. */
export async function observe(twin: Twin, one: TwinCase, listener: string): Promise<Observation> {
  const backend = twin.backends.get('backend')!;
  const { handler } = backend;
  const { answer, send = {} } = one;
  if (answer !== undefined) backend.handler = () => answer;
  for (const each of twin.backends.values()) each.take();
  let response: RawResponse;
  try {
    const pieces = isPieces(send) ? send : [requestBytes(send)];
    const bodyless = /^HEAD /.test(Buffer.from(pieces[0]).toString('latin1', 0, 5));
    response = await exchange(twin.env.port(listener), pieces, { bodyless });
  } finally {
    backend.handler = handler;
  }
  const log = await twin.logLines(listener, one.lines, one.counted);
  return {
    status: response.status,
    headers: headerLines(response.headers, twin),
    body: twin.named(response.body.toString('latin1')),
    trailers: headerLines(response.trailers, twin),
    informational: response.informational.map((m) => [m.startLine, ...headerLines(m.headers, twin)].join('\n')),
    upstream: [...twin.backends].flatMap(([name, b]) => b.take().map((r) => describeRequest(name, r, twin))),
    log,
  };
}

function check(one: TwinCase, seen: Observation): void {
  const { want = {} } = one;
  const matches = (value: string | undefined, wanted: string | RegExp | undefined, what: string) => {
    if (wanted instanceof RegExp) assert.match(value ?? '', wanted, what);
    else assert.equal(value, wanted, what);
  };
  if (want.status !== undefined) assert.equal(seen.status, want.status, 'status of Envoy');
  if (want.body !== undefined) matches(seen.body, want.body, 'body of Envoy');
  if (want.upstream !== undefined) assert.equal(seen.upstream.length, want.upstream, 'requests that Envoy sent on');
  if (want.log !== undefined) matches(seen.log[0], want.log, 'log of Envoy');
  for (const [name, wanted] of Object.entries(want.headers ?? {})) {
    const values = seen.headers.filter((h) => h.startsWith(`${name}: `)).map((h) => h.slice(name.length + 2));
    matches(values.length > 0 ? values.join(',') : undefined, wanted, `${name} of Envoy`);
  }
}

/** Runs every case against both as a subtest. What differs and is not listed as an exception fails. */
export async function compare(t: TestContext, twins: Twins, cases: readonly TwinCase[]): Promise<void> {
  for (const one of cases) {
    const listener = one.listener ?? 'main';
    await t.test(one.name, async () => {
      const [envoy, isthmus] = await Promise.all([
        observe(twins.envoy, one, listener),
        observe(twins.isthmus, one, listener),
      ]);
      check(one, envoy);
      const parts = one.except?.parts ?? [];
      assert.deepEqual(without(isthmus, parts), without(envoy, parts));
      // An exception that no longer is one goes.
      for (const part of parts) assert.notDeepEqual(isthmus[part], envoy[part], `no difference in ${part} any more`);
    });
  }
}

function without(seen: Observation, parts: readonly (keyof Observation)[]): Partial<Observation> {
  return Object.fromEntries(Object.entries(seen).filter(([part]) => !parts.includes(part as keyof Observation)));
}

export { headerOf };
