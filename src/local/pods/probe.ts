import { spawn } from 'node:child_process';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { http } from '../../base/node-http.ts';
import type { Container, Probe } from '../../config/kinds/shared/pod-spec.ts';
import { within } from '../../process/within.ts';

/** Kubernetes' defaults. */
export const PROBE_DEFAULTS = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };

/** Where the program of a container is found, and how commands in it are run. */
export interface ProbeTarget {
  readonly address: string;
  readonly container: Container;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Words before a command that lead to where the program runs. */
  readonly enter: readonly string[];
  /** Whether a port is listened on, where a connection would not tell. */
  readonly isListening?: (port: number) => boolean;
  /** The port that a port of the pod is found at. */
  port(port: number): number;
}

/** Whether somebody listens on a port of the program; resolves with what is wrong if not. */
export async function tryPort(port: number, target: ProbeTarget, timeoutMs: number): Promise<string | undefined> {
  const { address, isListening } = target;
  const at = target.port(port);
  const problem = isListening ? !isListening(at) : await tryTcp(address, at, timeoutMs);
  return problem ? `nothing listens on ${isListening ? `port ${at}` : `${address}:${at}`} yet` : undefined;
}

/** Tries once. Resolves with undefined for success, else with what is wrong, in a few words. */
export function tryProbe(probe: Probe, target: ProbeTarget): Promise<string | undefined> {
  const timeoutMs = (probe.timeoutSeconds || PROBE_DEFAULTS.timeoutSeconds) * 1000;
  const { httpGet, tcpSocket, exec, grpc } = probe;
  if (httpGet) return tryHttp(httpGet, target, timeoutMs);
  if (tcpSocket) return tryTcp(tcpSocket.host || target.address, portOf(tcpSocket.port, target), timeoutMs);
  if (exec) return tryCommand(exec.command ?? [], target, timeoutMs);
  if (grpc) return tryGrpc(target.address, target.port(grpc.port), grpc.service ?? '', timeoutMs);
  return Promise.resolve(undefined);
}

function portOf(port: number | string, { container, port: found }: ProbeTarget): number {
  if (typeof port === 'number') return found(port);
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  return found(named ?? Number(port));
}

/** Any status from 200 to 399 is a success; what certificate the server has does not matter. */
function tryHttp(
  { path = '/', port, host, scheme, httpHeaders }: NonNullable<Probe['httpGet']>,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<string | undefined> {
  const secure = scheme === 'HTTPS';
  const headers: Record<string, string> = { 'user-agent': 'kube-probe/isthmus', connection: 'close' };
  for (const { name, value = '' } of httpHeaders ?? []) headers[name.toLowerCase()] = value;
  return new Promise((resolve) => {
    const request = (secure ? https : http).request(
      {
        host: host || target.address,
        port: portOf(port, target),
        path: path.startsWith('/') ? path : `/${path}`,
        headers,
        agent: false,
        ...(secure ? { rejectUnauthorized: false } : {}),
      },
      (response) => {
        const status = response.statusCode ?? 0;
        response.destroy();
        finish(status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`);
      },
    );
    const finish = (problem: string | undefined) => {
      clearTimeout(timer);
      request.destroy();
      resolve(problem);
    };
    const timer = setTimeout(() => finish('HTTP probe timed out'), timeoutMs);
    request.on('error', (error) => finish(error.message));
    request.end();
  });
}

/** Whether somebody accepts connections. */
export function tryTcp(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const finish = (problem: string | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(problem);
    };
    const timer = setTimeout(() => finish('TCP probe timed out'), timeoutMs);
    socket.on('connect', () => finish(undefined));
    socket.on('error', (error) => finish(error.message));
  });
}

function tryCommand(
  [program, ...words]: readonly string[],
  { env, cwd, enter }: ProbeTarget,
  timeoutMs: number,
): Promise<string | undefined> {
  if (program === undefined) return Promise.resolve('the probe has no command');
  return new Promise((resolve) => {
    const { command, args } = within(enter, program, words);
    const child = spawn(command, [...args], { env, cwd, stdio: 'ignore', timeout: timeoutMs, killSignal: 'SIGKILL' });
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => {
      resolve(code === 0 ? undefined : signal ? 'command probe timed out' : `command exited with ${code}`);
    });
  });
}

/** grpc.health.v1.Health/Check; a HealthCheckRequest has the service's name as field 1, the answer its status as field 1. */
function tryGrpc(host: string, port: number, service: string, timeoutMs: number): Promise<string | undefined> {
  const SERVING = Buffer.from([0x08, 0x01]);
  return new Promise((resolve) => {
    const session = http2.connect(`http://${net.isIPv6(host) ? `[${host}]` : host}:${port}`);
    const finish = (problem: string | undefined) => {
      clearTimeout(timer);
      session.destroy();
      resolve(problem);
    };
    const timer = setTimeout(() => finish('gRPC probe timed out'), timeoutMs);
    session.on('error', (error) => finish(error.message));
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const name = Buffer.from(service);
    const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    const chunks: Buffer[] = [];
    let status: string | undefined;
    stream.on('response', (headers) => (status = headers['grpc-status'] as string | undefined));
    stream.on('trailers', (trailers) => (status = trailers['grpc-status'] as string | undefined));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', (error) => finish(error.message));
    stream.on('end', () => {
      const serving = Buffer.concat(chunks).subarray(5).equals(SERVING);
      finish(status === '0' && serving ? undefined : `gRPC probe failed with status ${status ?? 'unknown'}`);
    });
    stream.end(Buffer.concat([prefix, message]));
  });
}
