import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import net, { type AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { cluster, HTTP2, httpListener, named, socketAddress } from '../support/envoy-config.ts';
import { GrpcCollector } from '../support/grpc-collector.ts';
import { exchange } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, twinProxies } from '../support/twin-proxies.ts';

/** The lines that came to a statsd, and the datagrams that they came in. */
class Statsd {
  readonly datagrams: string[] = [];
  lines: string[] = [];

  async listenUdp(t: TestContext): Promise<number> {
    const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
    socket.on('message', (message) => {
      this.datagrams.push(String(message));
      this.lines.push(...String(message).split('\n'));
    });
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    t.after(() => socket.close());
    return socket.address().port;
  }

  async listenTcp(t: TestContext): Promise<number> {
    let rest = '';
    const server = net.createServer((socket) => {
      t.after(() => socket.destroy());
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        const parts = (rest + bytes).split('\n');
        rest = parts.pop()!;
        this.lines.push(...parts);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    return (server.address() as AddressInfo).port;
  }
}

const METRICS = 'envoy.config.metrics.v3';
const STATSD = ['udp', 'dog', 'graphite', 'tcp'] as const;
const SERVICES = {
  both: {},
  labels: { emit_tags_as_labels: true, report_counters_as_deltas: true, histogram_emit_mode: 'SUMMARY' },
  batches: { batch_size: 7, histogram_emit_mode: 'HISTOGRAM' },
} as const;

const COLLECTORS = {
  otlp: {},
  deltas: {
    report_counters_as_deltas: true,
    report_histograms_as_deltas: true,
    emit_tags_as_attributes: false,
    use_tag_extracted_name: false,
    prefix: 'own',
  },
} as const;

/**
 * Statistics that come of being told, or of a runtime of another kind; and those of the admin interface and of gRPC
 * calls of the proxy's own, which are not counted here.
 */
const OWN =
  /\b(?:server|main_thread|filesystem|http1|runtime|dns|access_logs|thread_local|thread_local_cluster_manager|admin|async-client|tcp|both|labels|batches|otlp|deltas)\b/;
/** Sent bytes are counted here when their connection ends. */
const LATER = /upstream_cx_tx_bytes_total/;
const TIMES = /(?:_ms|_time|_bytes_total|_bytes_buffered)$/;

interface Told {
  /** Sum of what was added, or what a gauge was last. */
  value: number;
  samples: number;
}

function read(lines: readonly string[], shape: RegExp): Map<string, Told> {
  const told = new Map<string, Told>();
  for (const line of lines) {
    const { name, tags = '', value, type } = shape.exec(line)?.groups ?? assert.fail(`not of statsd: ${line}`);
    const key = `${name} ${tags.split(/[,;]/).sort().join()} ${type}`;
    let entry = told.get(key);
    if (entry === undefined) told.set(key, (entry = { value: 0, samples: 0 }));
    if (type === 'g') entry.value = Number(value);
    else entry.value += Number(value);
    entry.samples++;
  }
  return told;
}

const SHAPES = {
  udp: /^(?<name>own\.[^:|]+):(?<value>\d+)\|(?<type>c|g|ms)$/,
  tcp: /^(?<name>envoy\.[^:|]+):(?<value>\d+)\|(?<type>c|g|ms)$/,
  dog: /^(?<name>dd\.[^:|]+):(?<value>\d+)\|(?<type>c|g|ms)(?:\|#(?<tags>.*))?$/,
  graphite: /^(?<name>envoy\.[^:;]+)(?:;(?<tags>[^|]*))?:(?<value>\d+)\|(?<type>c|g|ms)$/,
} as const;

/** What is the same in two runs: names with their sums; times only by how many there were. */
function shown(told: Map<string, Told>, twin: Twin): string[] {
  return [...told]
    .filter(([key]) => !OWN.test(key) && !LATER.test(key))
    .map(([key, { value, samples }]) => {
      const [name, , type] = key.split(' ');
      const known = key.replaceAll(`127.0.0.1_${twin.env.port('main')}`, '<main>');
      if (type === 'ms') return `${known}: ${samples} samples${TIMES.test(name) ? '' : ` of ${value}`}`;
      return `${known}: ${TIMES.test(name) ? '?' : value}`;
    })
    .sort();
}

test('statistics are sent as Envoy sends them', { skip: withoutReference }, async (t) => {
  const statsd = new Map<number, Statsd>();
  const services = new Map<number, GrpcCollector>();
  const listen = (kind: (typeof STATSD)[number]) => async (context: TestContext) => {
    const server = new Statsd();
    const port = await (kind === 'tcp' ? server.listenTcp(context) : server.listenUdp(context));
    statsd.set(port, server);
    return port;
  };
  const collect = async (context: TestContext) => {
    const server = new GrpcCollector();
    const port = await server.listen(context);
    services.set(port, server);
    return port;
  };
  const twins = await twinProxies(t, {
    listeners: ['main'],
    servers: {
      ...Object.fromEntries(STATSD.map((kind) => [kind, listen(kind)])),
      ...Object.fromEntries([...Object.keys(SERVICES), ...Object.keys(COLLECTORS)].map((kind) => [kind, collect])),
    },
    bootstrap: (env) => ({
      node: { id: 'node-id', cluster: 'node-cluster' },
      stats_flush_interval: '0.3s',
      stats_config: { histogram_bucket_settings: [{ match: { prefix: 'cluster' }, buckets: [1, 5, 100] }] },
      stats_sinks: [
        named('envoy.stat_sinks.statsd', `${METRICS}.StatsdSink`, {
          address: socketAddress(env.backend('udp')),
          prefix: 'own',
        }),
        named('envoy.stat_sinks.statsd', `${METRICS}.StatsdSink`, { tcp_cluster_name: 'tcp' }),
        named('envoy.stat_sinks.dog_statsd', `${METRICS}.DogStatsdSink`, {
          address: socketAddress(env.backend('dog')),
          prefix: 'dd',
          max_bytes_per_datagram: 400,
        }),
        named('envoy.stat_sinks.graphite_statsd', 'envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink', {
          address: socketAddress(env.backend('graphite')),
        }),
        ...Object.entries(COLLECTORS).map(([name, options]) =>
          named('envoy.stat_sinks.open_telemetry', 'envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig', {
            grpc_service: { envoy_grpc: { cluster_name: name } },
            ...options,
          }),
        ),
        ...Object.entries(SERVICES).map(([name, options]) =>
          named('envoy.stat_sinks.metrics_service', `${METRICS}.MetricsServiceConfig`, {
            transport_api_version: 'V3',
            grpc_service: { envoy_grpc: { cluster_name: name } },
            ...options,
          }),
        ),
      ],
      static_resources: {
        listeners: [httpListener('main', { port: env.port('main'), log: env.log('main') })],
        clusters: [
          cluster('backend', env.backend('backend')),
          cluster('tcp', env.backend('tcp')),
          ...[...Object.keys(SERVICES), ...Object.keys(COLLECTORS)].map((name) =>
            cluster(name, env.backend(name), HTTP2),
          ),
        ],
      },
    }),
  });
  const both = [twins.envoy, twins.isthmus] as const;
  const lines = (twin: Twin, kind: (typeof STATSD)[number]) => statsd.get(twin.env.backend(kind))!.lines;
  await Promise.all(
    both.map(async (twin) => {
      for (let i = 0; i < 3; i++) await exchange(twin.env.port('main'), [requestBytes({ path: '/a' })]);
      // Two flushes that both came after the last request.
      for (let flush = 0; flush < 2; flush++) {
        for (const kind of STATSD) {
          const before = lines(twin, kind).length;
          await until(`${twin.program}: a flush of ${kind}`, () =>
            lines(twin, kind)
              .slice(before)
              .some((line) => line.includes('downstream_rq_total')),
          );
        }
      }
    }),
  );
  for (const kind of STATSD) {
    await t.test(kind, () => {
      const [theirs, ours] = both.map((twin) => shown(read(lines(twin, kind), SHAPES[kind]), twin));
      assert.ok(
        theirs!.some((line) => /downstream_rq_time.*ms: 3 samples/.test(line)),
        theirs!.join('\n'),
      );
      assert.deepEqual(ours, theirs);
    });
  }
  await t.test('datagrams have as many metrics as there is room for', () => {
    for (const twin of both) {
      const { datagrams } = statsd.get(twin.env.backend('dog'))!;
      assert.ok(
        datagrams.every((text) => text.length <= 400 || !text.includes('\n')),
        twin.program,
      );
      assert.ok(
        datagrams.some((text) => text.includes('\n')),
        twin.program,
      );
      assert.ok(
        statsd.get(twin.env.backend('udp'))!.datagrams.every((text) => !text.includes('\n')),
        twin.program,
      );
    }
  });
  for (const name of Object.keys(COLLECTORS) as (keyof typeof COLLECTORS)[]) {
    await t.test(`a collector of OpenTelemetry: ${name}`, () => {
      const [theirs, ours] = both.map((twin) => pointsShown(services.get(twin.env.backend(name))!, twin));
      assert.ok(theirs!.metrics.length > 50);
      assert.deepEqual(ours, theirs);
    });
  }
  for (const name of Object.keys(SERVICES) as Service[]) {
    await t.test(`a metrics service with ${name}`, () => {
      const [theirs, ours] = both.map((twin) =>
        metricsShown(services.get(twin.env.backend(name))!, twin, name === 'labels'),
      );
      assert.ok(theirs!.metrics.length > 50);
      assert.deepEqual(ours, theirs);
    });
  }
});

/** What a collector of OpenTelemetry was sent, without what no two runs have in common. */
function pointsShown(collector: GrpcCollector, twin: Twin) {
  const told = new Map<string, string>();
  const sums = new Map<string, number>();
  for (const { bytes } of collector.messages) {
    for (const resource of inner(fields(bytes), 1)) {
      for (const metric of inner(resource, 2).flatMap((scope) => inner(scope, 2))) {
        const type = [5, 7, 9].find((field) => metric[field] !== undefined)!;
        const data = inner(metric, type)[0]!;
        const [point] = inner(data, 1, POINT);
        const isHistogram = type === 9;
        const attributes = inner(point!, isHistogram ? 9 : 7).map(
          (one) => `${text(one, 1)}=${text(inner(one, 2)[0]!, 1)}`,
        );
        const key = `${text(metric, 1)} {${attributes.sort()}} ${type} ${data[2]} ${data[3]}`;
        if (OWN.test(key) || LATER.test(key)) continue;
        const isDelta = Number(data[2]?.[0]) === 1;
        const value = Number(point![isHistogram ? 4 : 6]?.[0] ?? 0);
        const all = isDelta ? (sums.get(key) ?? 0) + value : value;
        sums.set(key, all);
        const shape = isHistogram
          ? ` in ${(point![6]![0] as Buffer).length} of ${(point![7]![0] as Buffer).toString('hex')}`
          : '';
        told.set(key, TIMES.test(text(metric, 1)) && !isHistogram ? '?' : `${all}${shape}`);
      }
    }
  }
  return {
    calls: new Set(collector.messages.map(({ path }) => path)),
    metrics: [...told]
      .map(([key, value]) => `${key} = ${value}`.replaceAll(`127.0.0.1_${twin.env.port('main')}`, '<main>'))
      .sort(),
  };
}

type Service = keyof typeof SERVICES;

interface Family {
  readonly name: string;
  readonly type: number;
  readonly labels: readonly string[];
  /** Counters and gauges have one number. Others have a count and a sum, and pairs: share or bound, and what is there. */
  readonly values: readonly number[];
  readonly pairs: readonly (readonly [number, number])[];
}

type Fields = Readonly<Record<number, readonly (Buffer | number)[]>>;

/** `ints` are the fields of 64 bits that are whole numbers. */
function fields(bytes: Uint8Array, ints: ReadonlySet<number> = NONE): Fields {
  const reader = new BinaryReader(bytes);
  const found: Record<number, (Buffer | number)[]> = {};
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const list = (found[field] ??= []);
    if (type === WireType.Varint) list.push(Number(reader.int64()));
    else if (type === WireType.Bit64) list.push(ints.has(field) ? Number(reader.fixed64()) : reader.double());
    else list.push(Buffer.from(reader.bytes()));
  }
  return found;
}

const NONE: ReadonlySet<number> = new Set();
/** Of data points: times, counts and values. */
const POINT: ReadonlySet<number> = new Set([2, 3, 4, 6]);

const inner = (of: Fields, field: number, ints?: ReadonlySet<number>): Fields[] =>
  (of[field] ?? []).map((bytes) => fields(bytes as Buffer, ints));
const text = (of: Fields, field: number) => String(of[field]?.[0]);

function family(bytes: Buffer): Family {
  const of = fields(bytes);
  const [metric] = inner(of, 4);
  const [gauge, counter, summary, histogram] = [2, 3, 4, 7].map((field) => inner(metric!, field)[0]);
  assert.ok(Number(metric![6]?.[0]) > 1.6e12, 'a time in milliseconds');
  const values = gauge ?? counter;
  const distribution = summary ?? histogram;
  return {
    name: text(of, 1),
    type: Number(of[3]![0]),
    labels: inner(metric!, 1).map((label) => `${text(label, 1)}=${text(label, 2)}`),
    values: values ? [Number(values[1]![0])] : [Number(distribution![1]![0]), Number(distribution![2]![0])],
    // Buckets have the count first, quantiles the share.
    pairs: inner(distribution ?? {}, 3).map((pair) =>
      histogram ? [Number(pair[2]![0]), Number(pair[1]![0])] : [Number(pair[1]![0]), Number(pair[2]![0])],
    ),
  };
}

const COUNTER = 0;
const GAUGE = 1;

/** What a metrics service was sent, without what no two runs have in common. */
function metricsShown(collector: GrpcCollector, twin: Twin, deltas: boolean) {
  const messages = collector.messages.map(({ bytes }) => fields(bytes));
  const [first] = inner(messages[0]!, 1);
  const node = inner(first!, 1)[0]!;
  const told = new Map<string, string>();
  const sums = new Map<string, number>();
  for (const message of messages) {
    for (const bytes of message[2] ?? []) {
      const { name, type, labels, values, pairs } = family(bytes as Buffer);
      const key = `${name} {${[...labels].sort()}} ${type}`;
      if (OWN.test(key) || LATER.test(name)) continue;
      const [value = 0, sum = 0] = values;
      let shown = TIMES.test(name) ? '?' : String(value);
      if (type !== COUNTER && type !== GAUGE) {
        // Values of all flushes: those of the last are none any more.
        const total = (sums.get(key) ?? 0) + value;
        sums.set(key, total);
        const bounds = pairs.map(([at]) => at).join();
        const before = /of (.*)$/.exec(told.get(key) ?? '')?.[1] ?? 'nothing';
        const what = TIMES.test(name) ? '?' : `${sum} in ${pairs.map(([, at]) => at)}`;
        shown = `${total} at ${bounds} of ${value === 0 ? before : what}`;
      } else if (deltas && type === COUNTER && !TIMES.test(name)) {
        const total = (sums.get(key) ?? 0) + value;
        sums.set(key, total);
        shown = `${total} in all`;
      }
      told.set(key, shown);
    }
  }
  const sizes = messages.map((message) => message[2]?.length ?? 0);
  return {
    calls: new Set(collector.messages.map(({ path, call }) => `${path} ${call}`)).size,
    identified: messages.map((message, i) => (message[1] === undefined ? '' : i)).filter((i) => i !== ''),
    node: [text(node, 1), text(node, 2)],
    batches: sizes.every((size) => size <= 7),
    metrics: [...told]
      .map(([key, value]) => `${key} = ${value}`.replaceAll(`127.0.0.1_${twin.env.port('main')}`, '<main>'))
      .sort(),
  };
}
