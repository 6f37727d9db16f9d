import fs from 'node:fs';

type Kind = 'counter' | 'gauge';

/** What an agent counts, without the prefix: names, help and label are pilot-agent's. */
const METRICS = {
  cert_expiry_seconds: [
    'gauge',
    'The time remaining, in seconds, before the certificate chain will expire.',
    'resource_name',
  ],
  istio_build: ['gauge', 'Istio component build info', undefined],
  num_failed_outgoing_requests: ['counter', 'Number of failed outgoing requests.', 'request_type'],
  num_file_secret_failures_total: ['counter', 'Number of times secret generation failed for files', undefined],
  num_file_watcher_failures_total: ['counter', 'Number of times files could not be followed.', undefined],
  num_outgoing_requests: ['counter', 'Number of total outgoing requests.', 'request_type'],
  num_outgoing_retries: ['counter', 'Number of outgoing retry requests.', 'request_type'],
  outgoing_latency: ['counter', 'The latency of outgoing requests in milliseconds.', 'request_type'],
  process_cpu_seconds_total: ['counter', 'Total user and system CPU time spent in seconds.', undefined],
  process_open_fds: ['gauge', 'Number of open file descriptors.', undefined],
  process_resident_memory_bytes: ['gauge', 'Resident memory size in bytes.', undefined],
  process_start_time_seconds: ['gauge', 'Start time of the process since unix epoch in seconds.', undefined],
  scrape_failures_total: ['counter', 'The total number of failed scrapes.', 'type'],
  scrapes_total: ['counter', 'The total number of scrapes.', undefined],
  startup_duration_seconds: ['gauge', 'The time from the process starting to being marked ready.', undefined],
} as const satisfies Record<string, readonly [Kind, string, string | undefined]>;

export type AgentMetric = keyof typeof METRICS;

const PREFIX = 'istio_agent_';

/** The agent's own statistics, `istio_agent_*`. */
export class AgentMetrics {
  readonly #values = new Map<AgentMetric, Map<string, number>>();
  /** Filled in when somebody looks. */
  readonly #collectors: (() => void)[] = [];

  increment(name: AgentMetric, label = ''): void {
    this.add(name, 1, label);
  }

  add(name: AgentMetric, amount: number, label = ''): void {
    const values = this.#of(name);
    values.set(label, (values.get(label) ?? 0) + amount);
  }

  set(name: AgentMetric, value: number, label = ''): void {
    this.#of(name).set(label, value);
  }

  remove(name: AgentMetric, label = ''): void {
    this.#values.get(name)?.delete(label);
  }

  get(name: AgentMetric, label = ''): number | undefined {
    return this.#values.get(name)?.get(label);
  }

  /** Called before every scrape, to bring gauges up to date. */
  collect(collector: () => void): void {
    this.#collectors.push(collector);
  }

  /** Prometheus' text format. */
  text(): string {
    for (const collector of this.#collectors) collector();
    this.#process();
    let text = '';
    for (const name of [...this.#values.keys()].sort()) {
      const values = this.#values.get(name)!;
      if (values.size === 0) continue;
      const [kind, help, label] = METRICS[name];
      text += `# HELP ${PREFIX}${name} ${help}\n# TYPE ${PREFIX}${name} ${kind}\n`;
      for (const [value, number] of values) {
        const labels =
          name === 'istio_build' ? `{component="agent",tag="${value}"}` : label ? `{${label}="${value}"}` : '';
        text += `${PREFIX}${name}${labels} ${number}\n`;
      }
    }
    return text;
  }

  #of(name: AgentMetric): Map<string, number> {
    let values = this.#values.get(name);
    if (!values) this.#values.set(name, (values = new Map()));
    return values;
  }

  #process(): void {
    const { user, system } = process.cpuUsage();
    this.set('process_cpu_seconds_total', (user + system) / 1e6);
    this.set('process_resident_memory_bytes', process.memoryUsage.rss());
    this.set('process_start_time_seconds', Math.round(Date.now() / 1000 - process.uptime()));
    try {
      this.set('process_open_fds', fs.readdirSync('/proc/self/fd').length);
    } catch {
      // Only Linux tells.
    }
  }
}
