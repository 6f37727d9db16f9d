import { UserError } from '../../base/errors.ts';

/** What a probe of the pod is rewritten to ask of the program, by the path at which the agent is asked instead. */
export type AppProbers = ReadonlyMap<string, AppProber>;

export type AppProber = { readonly timeoutMs: number } & (
  | { readonly kind: 'http'; readonly port: number; readonly path: string; readonly https: boolean }
  | { readonly kind: 'tcp'; readonly port: number }
  | { readonly kind: 'grpc'; readonly port: number; readonly service: string }
);

const NAME = 'ISTIO_KUBE_APP_PROBERS';
const PATH = /^\/(app-health|app-lifecycle)\/[^/]+\/(livez|readyz|startupz|prestopz|poststartz)$/;
/** Kubernetes' default. */
const DEFAULT_TIMEOUT_S = 1;

/**
 * Reads `ISTIO_KUBE_APP_PROBERS`, which the injector writes: a JSON object from paths to probes as in a pod, whose ports
 * are numbers. Throws a UserError that names the path of a probe that is no good.
 */
export function parseAppProbers(text: string | undefined): AppProbers {
  const probers = new Map<string, AppProber>();
  if (!text) return probers;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UserError(`The environment variable ${NAME} must be a JSON object of probes by path.`);
  for (const [path, probe] of Object.entries(value)) {
    if (!PATH.test(path))
      throw new UserError(`${NAME}: ${path} is not of the form /app-health/CONTAINER/{livez,readyz,startupz}.`);
    probers.set(path, parseProber(path, probe));
  }
  return probers;
}

function parseProber(path: string, probe: unknown): AppProber {
  const { httpGet, tcpSocket, grpc, timeoutSeconds } = fieldsOf(path, probe);
  const given = [httpGet, tcpSocket, grpc].filter((v) => v !== undefined && v !== null);
  if (given.length !== 1) throw new UserError(`${NAME}: ${path} must have one of httpGet, tcpSocket and grpc.`);
  const target = fieldsOf(path, given[0]);
  const { port } = target;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535)
    throw new UserError(`${NAME}: the port of ${path} must be a number from 1 to 65535.`);
  const seconds = typeof timeoutSeconds === 'number' && timeoutSeconds > 0 ? timeoutSeconds : DEFAULT_TIMEOUT_S;
  const timeoutMs = seconds * 1000;
  if (tcpSocket) return { kind: 'tcp', timeoutMs, port };
  if (grpc) return { kind: 'grpc', timeoutMs, port, service: typeof target.service === 'string' ? target.service : '' };
  const where = typeof target.path === 'string' ? target.path : '';
  const https = String(target.scheme ?? '').toUpperCase() === 'HTTPS';
  return { kind: 'http', timeoutMs, port, path: where.startsWith('/') ? where : `/${where}`, https };
}

function fieldsOf(path: string, value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw new UserError(`${NAME}: ${path} must be an object.`);
}
