import { UserError } from '../base/errors.ts';
import { type LogLevel, parseLogLevel } from '../base/log.ts';

/** The flags of `isthmus proxy`, which are Envoy's. */
export interface ProxyFlags {
  readonly configPath?: string;
  readonly configYaml?: string;
  readonly mode: 'serve' | 'validate';
  readonly concurrency: number;
  readonly logLevel: string;
  readonly componentLogLevel?: string;
  readonly logPath?: string;
  readonly logFormat?: string;
  readonly allowUnknownFields?: true;
  readonly allowUnknownStaticFields?: true;
  readonly rejectUnknownDynamicFields?: true;
  readonly ignoreUnknownDynamicFields?: true;
  readonly skipDeprecatedLogs?: true;
  readonly localAddressIpVersion: 'v4' | 'v6';
  readonly serviceNode?: string;
  readonly serviceCluster?: string;
  readonly serviceZone?: string;
  /** Universal tags as `name:value`. */
  readonly statsTag?: readonly string[];
  readonly drainTimeS: number;
  readonly fileFlushIntervalMsec?: number;
  readonly fileFlushMinSizeKb?: number;
  readonly parentShutdownTimeS: number;
  readonly adminAddressPath?: string;
  readonly baseId: number;
  readonly restartEpoch: number;
}

/** `command_line_options` of `/server_info`, under Envoy's names. */
export function commandLineOptions(flags: ProxyFlags): Readonly<Record<string, unknown>> {
  return {
    base_id: String(flags.baseId),
    concurrency: 1,
    config_path: flags.configPath ?? '',
    config_yaml: flags.configYaml ?? '',
    allow_unknown_static_fields: allowsUnknownStaticFields(flags),
    admin_address_path: flags.adminAddressPath ?? '',
    local_address_ip_version: flags.localAddressIpVersion,
    log_level: flags.logLevel,
    component_log_level: flags.componentLogLevel ?? '',
    log_format: flags.logFormat ?? '',
    log_path: flags.logPath ?? '',
    service_cluster: flags.serviceCluster ?? '',
    service_node: flags.serviceNode ?? '',
    service_zone: flags.serviceZone ?? '',
    ...(flags.fileFlushIntervalMsec !== undefined && {
      file_flush_interval: `${flags.fileFlushIntervalMsec / 1000}s`,
    }),
    ...(flags.fileFlushMinSizeKb !== undefined && { file_flush_min_size: flags.fileFlushMinSizeKb }),
    drain_time: `${flags.drainTimeS}s`,
    parent_shutdown_time: `${flags.parentShutdownTimeS}s`,
    mode: flags.mode === 'serve' ? 'Serve' : 'Validate',
    disable_hot_restart: true,
    restart_epoch: flags.restartEpoch,
    reject_unknown_dynamic_fields: flags.rejectUnknownDynamicFields ?? false,
    log_format_escaped: false,
    ignore_unknown_dynamic_fields: flags.ignoreUnknownDynamicFields ?? false,
    drain_strategy: 'Immediate',
    stats_tag: flags.statsTag ?? [],
    skip_deprecated_logs: flags.skipDeprecatedLogs ?? false,
  };
}

export function allowsUnknownStaticFields(flags: ProxyFlags): boolean {
  return (flags.allowUnknownFields || flags.allowUnknownStaticFields) ?? false;
}

/** Universal tags of all statistics. Throws a UserError for those that Envoy does not take either. */
export function statsTags(flags: ProxyFlags): readonly { readonly name: string; readonly value: string }[] {
  const tags = new Map<string, string>();
  for (const text of flags.statsTag ?? []) {
    const [, name, value] = /^([^:]*):(.*)$/s.exec(text) ?? [];
    if (!name || !value) throw new UserError(`--stats-tag ${JSON.stringify(text)} is not name:value`);
    if (!/^[a-zA-Z0-9]+$/.test(name)) {
      throw new UserError(`--stats-tag ${JSON.stringify(text)}: the name may have letters and digits only`);
    }
    if (value.includes('.')) throw new UserError(`--stats-tag ${JSON.stringify(text)}: the value may have no dot`);
    if (tags.has(name)) throw new UserError(`--stats-tag ${JSON.stringify(text)}: ${name} has a value already`);
    tags.set(name, value);
  }
  return [...tags].map(([name, value]) => ({ name, value }));
}

/** `-l`, as a level. */
export function logLevel(text: string): LogLevel {
  const level = parseLogLevel(text);
  if (level === undefined) throw new UserError(`${JSON.stringify(text)} is not a log level`);
  return level;
}

/** `--component-log-level`: the levels of scopes by name. */
export function componentLogLevels(flags: ProxyFlags): ReadonlyMap<string, LogLevel> {
  const levels = new Map<string, LogLevel>();
  for (const pair of flags.componentLogLevel?.split(',') ?? []) {
    const [name, text] = pair.split(':');
    if (!name || !text) throw new UserError(`--component-log-level: ${JSON.stringify(pair)} is not component:level`);
    levels.set(name, logLevel(text));
  }
  return levels;
}
