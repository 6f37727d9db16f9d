import dgram from 'node:dgram';
import { ANY_HOST } from '../../cluster/any-host.ts';
import type { Cluster, ClusterSource, UpstreamOptions } from '../../cluster/cluster.ts';
import type { Connection, SocketAddress } from '../../net/connection.ts';
import { StatGroup } from '../stats.ts';
import type { MetricName, MetricSnapshot, StatsSink } from './sink.ts';
import { DatagramPacker, type StatsdFormat } from './statsd-format.ts';

/** Statsd over UDP (`StatsdSink.address`, `DogStatsdSink`, `GraphiteStatsdSink`): nobody knows what arrives. */
export class UdpStatsdSink implements StatsSink {
  readonly #to: SocketAddress;
  readonly #format: StatsdFormat;
  readonly #maxBytes: number;
  #socket: dgram.Socket | undefined = undefined;

  /** `maxBytes` is that of a datagram with several metrics; 0 for one metric each. */
  constructor(to: SocketAddress, format: StatsdFormat, maxBytes: number) {
    this.#to = to;
    this.#format = format;
    this.#maxBytes = maxBytes;
  }

  flush({ counters, gauges }: MetricSnapshot): void {
    const packer = new DatagramPacker(this.#maxBytes, (text) => this.#send(text));
    for (const { name, delta } of counters) packer.add(this.#format(name, delta, 'c'));
    for (const { name, value } of gauges) packer.add(this.#format(name, value, 'g'));
    packer.flush();
  }

  onSample(name: MetricName, value: number): void {
    this.#send(this.#format(name, value, 'ms'));
  }

  #send(text: string): void {
    this.#socket ??= this.#open();
    this.#socket.send(text, this.#to.port, this.#to.address);
  }

  #open(): dgram.Socket {
    const family = this.#to.family === 6 ? 6 : 4;
    const socket = dgram.createSocket({
      type: `udp${family}`,
      // There is nothing to look up.
      lookup: (address, _, callback) => callback(null, address, family),
    });
    // Nobody listens, or there is no way there: as with any datagram, nothing can be done.
    socket.on('error', () => {});
    socket.unref();
    return socket;
  }

  close(): void {
    this.#socket?.close();
  }
}

/** What statsd's connection counts (Envoy's `statsd.`). */
export class StatsdStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set();
  /** Texts that were thrown away because the connection did not take them. */
  cx_overflow = 0;
}

const OPTIONS: UpstreamOptions = {
  priority: 'default',
  downstreamProtocol: 'HTTP/1.1',
  alpn: undefined,
  sni: undefined,
  subjectAltNames: undefined,
};

/** What may wait for a connection that does not take it; beyond this it is closed. */
const MAX_BUFFERED = 16 * 1024 * 1024;

/** Statsd over a connection to a host of a cluster (`StatsdSink.tcp_cluster_name`), opened when there is something. */
export class TcpStatsdSink implements StatsSink {
  readonly #clusters: ClusterSource;
  readonly #clusterName: string;
  readonly #format: StatsdFormat;
  readonly #stats: StatsdStats;
  #link: Link | undefined = undefined;
  #closed = false;

  constructor(clusters: ClusterSource, clusterName: string, format: StatsdFormat, stats: StatsdStats) {
    this.#clusters = clusters;
    this.#clusterName = clusterName;
    this.#format = format;
    this.#stats = stats;
  }

  flush({ counters, gauges }: MetricSnapshot): void {
    let text = '';
    for (const { name, delta } of counters) text += `${this.#format(name, delta, 'c')}\n`;
    for (const { name, value } of gauges) text += `${this.#format(name, value, 'g')}\n`;
    this.#write(text);
  }

  onSample(name: MetricName, value: number): void {
    this.#write(`${this.#format(name, value, 'ms')}\n`);
  }

  #write(text: string): void {
    if (text === '' || this.#closed) return;
    if (this.#link === undefined) {
      const cluster = this.#clusters.get(this.#clusterName);
      this.#link = cluster && openLink(cluster, () => (this.#link = undefined));
    }
    if (this.#link?.write(Buffer.from(text)) !== false) return;
    this.#stats.cx_overflow++;
    const slow = this.#link;
    this.#link = undefined;
    slow.close();
  }

  close(): void {
    this.#closed = true;
    this.#link?.close();
  }
}

/** A connection that is there or on its way. */
interface Link {
  /** False if too much waits already. */
  write(bytes: Buffer): boolean;
  close(): void;
}

/** `onEnd` comes at most once, maybe from within: the connection is gone, but not by us. */
function openLink(cluster: Cluster, onEnd: () => void): Link | undefined {
  const host = cluster.pick(ANY_HOST);
  if (host === undefined) return undefined;
  let connection: Connection | undefined;
  let over = false;
  let waiting: Buffer[] = [];
  /** Bytes that were written since the connection stopped taking them. */
  let behind = 0;
  let blocked = true;
  const ended = () => {
    if (over) return;
    over = true;
    onEnd();
  };
  const attempt = cluster.openTcp(host, OPTIONS, {
    onReady(ready) {
      connection = ready;
      ready.start();
      blocked = false;
      behind = 0;
      for (const bytes of waiting) ready.write(bytes);
      waiting = [];
    },
    onFailure: ended,
    onData() {},
    onEnd: () => connection?.close(),
    onBackpressure(high) {
      blocked = high;
      behind = 0;
    },
    onClose: ended,
  });
  if (over) return undefined;
  return {
    write(bytes) {
      if (blocked && (behind += bytes.length) > MAX_BUFFERED) return false;
      if (connection === undefined) waiting.push(bytes);
      else connection.write(bytes);
      return true;
    },
    close() {
      over = true;
      if (connection === undefined) attempt?.cancel();
      else connection.close();
    },
  };
}
