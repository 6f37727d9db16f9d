import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { DataPlane } from '../data-plane/data-plane.ts';
import type { ScrapeTarget } from '../environment/environment.ts';
import { httpCall } from '../http/client.ts';
import type { HttpReply, HttpRequest } from '../http/server.ts';
import type { AgentMetrics } from './metrics.ts';

export interface ScrapeOptions {
  readonly metrics: AgentMetrics;
  /** Undefined where there is no proxy. */
  readonly proxy: () => DataPlane | undefined;
  /** Where the program has its metrics, if it has any. */
  readonly target: ScrapeTarget | undefined;
  readonly destination: (port: number) => { readonly host: string; readonly port: number };
  readonly log: Logger;
}

/** What is taken of a program's metrics; more is none of it, because half a line would spoil the rest. */
const MAX_APP_BYTES = 10 << 20;
const DEFAULT_TIMEOUT_MS = 10_000;
const TEXT = 'text/plain; version=0.0.4; charset=utf-8';
const OPEN_METRICS = 'application/openmetrics-text';
/** What Prometheus says about a scrape, and is passed on. */
const PASSED_ON = ['accept', 'user-agent', 'x-prometheus-scrape-timeout-seconds'];

/**
 * `/stats/prometheus` of a pod: the metrics of agent, proxy and program as one text, in this order, since the program's
 * may end in `# EOF`. What cannot be had is left out and counted.
 */
export async function scrape(request: HttpRequest, options: ScrapeOptions): Promise<HttpReply> {
  const { metrics, proxy, target, destination, log } = options;
  metrics.increment('scrapes_total');
  const headers = PASSED_ON.flatMap((name): [string, string][] => {
    const value = request.headers.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  const timeoutMs = timeoutOf(request);
  const failed = (type: string, what: string) => (error: unknown) => {
    log.error(`failed scraping ${what} metrics: ${messageOf(error)}`);
    metrics.increment('scrape_failures_total', type);
    return undefined;
  };
  const [fromProxy, fromApp] = await Promise.all([
    proxy()?.stats(request.query, headers, timeoutMs).catch(failed('envoy', 'envoy')),
    target &&
      scrapeApp({ ...destination(target.port), path: target.path, headers, timeoutMs }).catch(
        failed('application', 'application'),
      ),
  ]);
  const body = [Buffer.from(metrics.text()), fromProxy ?? [], fromApp?.body ?? []].flat();
  return { status: 200, contentType: formatOf(fromApp?.contentType), body: body.filter(({ length }) => length > 0) };
}

async function scrapeApp(call: {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly timeoutMs: number;
}): Promise<{ readonly body: Buffer; readonly contentType: string | undefined }> {
  const { status, headers, body } = await httpCall({
    ...call,
    authority: `localhost:${call.port}`,
    maxBodyBytes: MAX_APP_BYTES,
  });
  if (status !== 200) throw new Error(`status ${status} from port ${call.port}, path ${call.path}`);
  const whole = body.length === 0 || body[body.length - 1] === 0x0a ? body : Buffer.concat([body, Buffer.from('\n')]);
  return { body: whole, contentType: headers.get('content-type') };
}

/** The program's format is the whole's: agent and proxy are valid in both. */
function formatOf(contentType: string | undefined): string {
  const [type, ...parameters] = (contentType ?? '').split(';').map((part) => part.trim());
  if (type.toLowerCase() !== OPEN_METRICS) return TEXT;
  const version = parameters.find((p) => /^version=/i.test(p))?.slice('version='.length) ?? '0.0.1';
  return version === '0.0.1' || version === '1.0.0' ? `${OPEN_METRICS}; version=${version}; charset=utf-8` : TEXT;
}

function timeoutOf(request: HttpRequest): number {
  const seconds = Number(request.headers.get('x-prometheus-scrape-timeout-seconds') ?? Number.NaN);
  return seconds > 0 && seconds < 3600 ? seconds * 1000 : DEFAULT_TIMEOUT_MS;
}
