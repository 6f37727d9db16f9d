import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ProxyFlags } from '../app/proxy-flags.ts';

function seconds(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('a whole number of seconds is needed.');
  return Number(text);
}

function milliseconds(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError('a whole number of milliseconds is needed.');
  return Number(text);
}

function append(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** `isthmus proxy`: the data plane alone, with Envoy's flags. */
export function define(command: Command): void {
  command
    .option('-c, --config-path <file>', 'path to the bootstrap, YAML or JSON')
    .option('--config-yaml <text>', 'bootstrap text, merged over the file')
    .addOption(
      new Option('--mode <mode>', 'serve, or validate the configuration and end')
        .choices(['serve', 'validate'])
        .default('serve'),
    )
    .option('--concurrency <n>', 'number of worker threads', seconds, 1)
    .option('-l, --log-level <level>', 'trace, debug, info, warning, error, critical or off', 'info')
    .option('--component-log-level <list>', 'levels of components: main:debug,config:trace')
    .option('--log-path <file>', 'where logs go; standard error unless told')
    .option('--log-format <pattern>', "lines of the log in spdlog's syntax: '%Y-%m-%dT%T.%eZ %l %n %v'")
    .option('--allow-unknown-static-fields', 'warn of unknown fields of the bootstrap instead of ending')
    .option('--reject-unknown-dynamic-fields', 'refuse resources of the control plane that have unknown fields')
    .option('--ignore-unknown-dynamic-fields', 'say nothing of unknown fields of resources')
    .addOption(new Option('--allow-unknown-fields').hideHelp())
    .addOption(new Option('--skip-deprecated-logs').hideHelp())
    .addOption(
      new Option('--local-address-ip-version <version>', 'family of the address that this machine goes by')
        .choices(['v4', 'v6'])
        .default('v4'),
    )
    .option('--service-node <name>', 'node id, over the one of the bootstrap')
    .option('--service-cluster <name>', 'node cluster, over the one of the bootstrap')
    .option('--service-zone <zone>', 'zone of the node, over the one of the bootstrap')
    .option('--stats-tag <name:value>', 'tag of all statistics; may be repeated', append)
    .option('--drain-time-s <seconds>', 'how long connections have when their listener goes', seconds, 600)
    .addOption(
      new Option('--drain-strategy <strategy>', 'how connections are asked to end: all at once')
        .choices(['immediate'])
        .default('immediate'),
    )
    .option('--file-flush-interval-msec <ms>', 'how long lines of access logs may wait; 1000 unless told', milliseconds)
    .option('--file-flush-min-size-kb <kb>', 'how much of an access log no longer waits; 64 unless told', seconds)
    .option('--parent-shutdown-time-s <seconds>', 'how long a replaced process stays', seconds, 900)
    .option('--admin-address-path <file>', 'file to write the address of the admin interface to')
    .option('--base-id <n>', 'distinguishes the proxies of one machine', seconds, 0)
    .option('--restart-epoch <n>', 'count of hot restarts', seconds, 0)
    .addOption(new Option('--use-dynamic-base-id').hideHelp())
    .addOption(new Option('--disable-hot-restart').hideHelp())
    .addOption(new Option('--cpuset-threads').hideHelp())
    .addHelpText(
      'after',
      `
Examples:
  isthmus proxy -c bootstrap.yaml
  isthmus proxy -c bootstrap.yaml --mode validate
  isthmus proxy -c bootstrap.json -l debug --component-log-level config:trace`,
    )
    .action(async (options: ProxyFlags) => {
      const { runProxy } = await import('../app/proxy.ts');
      process.exitCode = await runProxy(options);
    });
}
