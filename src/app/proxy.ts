import { UserError } from '../base/errors.ts';
import { Logging, type LogLevel, parseLogLevel } from '../base/log.ts';
import { loadBootstrap } from '../proxy/bootstrap.ts';
import { ProxyServer } from '../proxy/server.ts';

/** The flags of `isthmus proxy`, which are Envoy's. */
export interface ProxyFlags {
  readonly configPath?: string;
  readonly configYaml?: string;
  readonly mode: 'serve' | 'validate';
  readonly concurrency: number;
  readonly logLevel: string;
  readonly componentLogLevel?: string;
  readonly logPath?: string;
  readonly serviceNode?: string;
  readonly serviceCluster?: string;
  readonly drainTimeS: number;
  readonly fileFlushIntervalMsec?: number;
  readonly parentShutdownTimeS: number;
  readonly adminAddressPath?: string;
  readonly baseId: number;
  readonly restartEpoch: number;
}

/** Runs a proxy until it is told to stop. Resolves with the exit code. */
export async function runProxy(flags: ProxyFlags): Promise<number> {
  const logging = new Logging({ format: 'envoy', level: level(flags.logLevel), stream: process.stderr });
  for (const [scope, own] of Object.entries(componentLevels(flags))) logging.setLevel(own, scope);
  const { bootstrap } = loadBootstrap(flags.configPath, flags.configYaml);
  const proxy = new ProxyServer({
    bootstrap,
    configPath: flags.configPath,
    logging,
    serviceNode: flags.serviceNode,
    serviceCluster: flags.serviceCluster,
    drainMs: flags.drainTimeS * 1000,
    accessLogFlushMs: flags.fileFlushIntervalMsec,
    commandLine: { ...flags },
  });
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve());
  });
  const over = Promise.race([stopped, proxy.quit.promise]);
  try {
    await Promise.race([proxy.start(), over]);
    await over;
  } finally {
    proxy.stop();
  }
  return 0;
}

function level(text: string): LogLevel {
  const parsed = parseLogLevel(text);
  if (parsed === undefined) throw new UserError(`${JSON.stringify(text)} is not a log level`);
  return parsed;
}

function componentLevels(flags: ProxyFlags): Record<string, LogLevel> {
  const levels: Record<string, LogLevel> = {};
  for (const pair of flags.componentLogLevel?.split(',') ?? []) {
    const [name, text] = pair.split(':');
    if (!name || !text) throw new UserError(`--component-log-level: ${JSON.stringify(pair)} is not component:level`);
    levels[name] = level(text);
  }
  return levels;
}
