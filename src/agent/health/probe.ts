import { spawn } from 'node:child_process';
import type { ReadinessProbe } from '../environment/proxy-config.ts';
import type { HostPort } from '../environment/values.ts';
import { GrpcChannel } from '../grpc-channel.ts';
import { httpCall } from '../http/client.ts';
import { tryConnect } from '../net/try-connect.ts';
import { checkHealth } from '../status/app-probes.ts';

/** Where the program is, for a port of its own. */
export type Destination = (port: number) => HostPort;

const DEFAULT_TIMEOUT_S = 1;
const MAX_BODY_BYTES = 10 * 1024;

/** Tries a program once, as a kubelet would. Rejects with an Error that says what is wrong in a few words. */
export async function tryProbe(probe: ReadinessProbe, destination: Destination): Promise<void> {
  const timeoutMs = (probe.timeoutSeconds || DEFAULT_TIMEOUT_S) * 1000;
  const { httpGet, tcpSocket, exec, grpc } = probe;
  const at = (port = 0, host?: string): HostPort => (host ? { host, port } : destination(port));
  if (httpGet) await tryHttp(httpGet, at(httpGet.port, httpGet.host), timeoutMs);
  else if (tcpSocket) await tryConnect(at(tcpSocket.port, tcpSocket.host), timeoutMs);
  else if (exec) await tryCommand(exec.command ?? [], timeoutMs);
  else if (grpc) await tryGrpc(at(grpc.port), grpc.service ?? '', timeoutMs);
}

/** Any status from 200 to 399 is a success, and whose certificate it is does not matter. */
async function tryHttp(get: NonNullable<ReadinessProbe['httpGet']>, at: HostPort, timeoutMs: number): Promise<void> {
  const { path = '/', scheme = '', httpHeaders = [] } = get;
  const { status } = await httpCall({
    ...at,
    path: path.startsWith('/') ? path : `/${path}`,
    headers: httpHeaders.map(({ name = '', value = '' }) => [name.toLowerCase(), value] as const),
    ...(scheme.toUpperCase() === 'HTTPS' && { insecureTls: { alpn: ['http/1.1'] } }),
    timeoutMs,
    maxBodyBytes: MAX_BODY_BYTES,
    truncate: true,
  });
  if (status < 200 || status >= 400) throw new Error(`status code was not from [200,400), bad code ${status}`);
}

function tryCommand([program, ...args]: readonly string[], timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (program === undefined) throw new Error('the probe has no command');
    const child = spawn(program, args, { stdio: 'ignore', timeout: timeoutMs, killSignal: 'SIGKILL' });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(signal ? `no end within ${timeoutMs} ms` : `command exited with ${code}`));
    });
  });
}

async function tryGrpc(at: HostPort, service: string, timeoutMs: number): Promise<void> {
  const channel = new GrpcChannel({ ...at, deadlineMs: timeoutMs, connectTimeoutMs: timeoutMs });
  try {
    await checkHealth(channel, service);
  } finally {
    channel.close();
  }
}
