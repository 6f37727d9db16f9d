import fs from 'node:fs';
import { create } from '@bufbuild/protobuf';
import type { Bootstrap } from '../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import { StatsConfigSchema, TagSpecifierSchema } from '../api/gen/envoy/config/metrics/v3/stats_pb.ts';
import { messageOf, UserError } from '../base/errors.ts';
import { type LogFormat, Logging, type LogStream } from '../base/log.ts';
import { compileLogPattern } from '../base/log-pattern.ts';
import { loadBootstrap } from '../proxy/bootstrap.ts';
import { ProxyServer } from '../proxy/server.ts';
import {
  allowsUnknownStaticFields,
  commandLineOptions,
  componentLogLevels,
  logLevel,
  type ProxyFlags,
  statsTags,
} from './proxy-flags.ts';

/** Runs a proxy until it is told to stop, or only looks at its configuration. Resolves with the exit code. */
export async function runProxy(flags: ProxyFlags): Promise<number> {
  const level = logLevel(flags.logLevel);
  const components = componentLogLevels(flags);
  const tags = statsTags(flags);
  const { bootstrap, unknown } = loadBootstrap(flags.configPath, flags.configYaml, allowsUnknownStaticFields(flags));
  const logging = new Logging({ format: logFormat(flags, bootstrap), level, stream: logStream(flags.logPath) });
  for (const [scope, own] of components) logging.setLevel(own, scope);
  const log = logging.scope('main');
  for (const problem of unknown) log.warn(`${problem}: it has no effect`);
  if (flags.concurrency > 1) {
    log.warn(`--concurrency ${flags.concurrency} has no effect: one thread does all the work`);
  }
  if (flags.restartEpoch > 0) {
    log.warn(`--restart-epoch ${flags.restartEpoch} has no effect: there is no hot restart, and no parent is asked`);
  }
  if (tags.length > 0) {
    bootstrap.statsConfig ??= create(StatsConfigSchema);
    bootstrap.statsConfig.statsTags.push(
      ...tags.map(({ name, value }) =>
        create(TagSpecifierSchema, { tagName: name, tagValue: { case: 'fixedValue', value } }),
      ),
    );
  }
  const proxy = new ProxyServer({
    bootstrap,
    staticUnknownFields: unknown.length,
    unknownFields: flags.rejectUnknownDynamicFields ? 'reject' : flags.ignoreUnknownDynamicFields ? 'ignore' : 'warn',
    configPath: flags.configPath,
    logging,
    serviceNode: flags.serviceNode,
    serviceCluster: flags.serviceCluster,
    serviceZone: flags.serviceZone,
    localAddressFamily: flags.localAddressIpVersion === 'v6' ? 6 : 4,
    drainMs: flags.drainTimeS * 1000,
    accessLogFlushMs: flags.fileFlushIntervalMsec,
    accessLogFlushKb: flags.fileFlushMinSizeKb,
    adminAddressPath: flags.adminAddressPath,
    commandLine: commandLineOptions(flags),
  });
  if (flags.mode === 'validate') return validate(proxy, flags);
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

async function validate(proxy: ProxyServer, flags: ProxyFlags): Promise<number> {
  try {
    await proxy.validate();
  } finally {
    proxy.stop();
  }
  process.stdout.write(`configuration '${flags.configPath ?? '--config-yaml'}' OK\n`);
  return 0;
}

/** As Envoy has it, or a pattern of the user's from the command line or the bootstrap. */
function logFormat(flags: ProxyFlags, { applicationLogConfig }: Bootstrap): LogFormat {
  const format = applicationLogConfig?.logFormat?.logFormat;
  if (format?.case === undefined) return flags.logFormat === undefined ? 'envoy' : compileLogPattern(flags.logFormat);
  const at = 'application_log_config.log_format';
  if (flags.logFormat !== undefined) throw new UserError(`${at}: --log-format says it already; one of the two may`);
  if (format.case === 'textFormat') return compileLogPattern(format.value);
  const pattern = JSON.stringify(format.value);
  // Neither escapes what would end a string of JSON.
  const bad = /%[v_]/.exec(pattern);
  if (bad) throw new UserError(`${at}.json_format: ${bad[0]} is not for JSON; use %j`);
  return compileLogPattern(pattern);
}

/** Standard error, or a file that lines are added to. Throws a UserError if it cannot be opened. */
function logStream(path: string | undefined): LogStream {
  if (path === undefined) return process.stderr;
  try {
    const file = fs.openSync(path, 'a', 0o644);
    return { write: (line) => fs.writeSync(file, line) };
  } catch (error) {
    throw new UserError(`--log-path ${path}: ${messageOf(error)}`);
  }
}
