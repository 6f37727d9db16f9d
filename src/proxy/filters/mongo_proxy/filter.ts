import type { JsonValue } from '@bufbuild/protobuf';
import { type BsonDocument, MongoError } from '../../../wire/mongo/bson.ts';
import { MongoDecoder, type MongoMessage, OpCode, QueryFlag, ReplyFlag } from '../../../wire/mongo/messages.ts';
import { shareAt } from '../../config/runtime-values.ts';
import { CloseReason, formatAddress } from '../../net/connection.ts';
import {
  type DrainSignal,
  type NetworkData,
  type NetworkFilter,
  type NetworkFilterCallbacks,
  NetworkStatus,
} from '../../net/network-filter.ts';
import type { Timer } from '../../timers.ts';
import { type QueryInfo, queryInfo } from './query.ts';
import type { MongoCallStats, MongoCalls, MongoStats } from './stats.ts';
import { messageText } from './text.ts';

export const NAME = 'envoy.filters.network.mongo_proxy';

export interface MongoConfig {
  readonly stats: MongoStats;
  readonly calls: MongoCalls;
  /** Commands that are counted by name. */
  readonly commands: ReadonlySet<string>;
  readonly log: { write(text: string): void } | undefined;
  /** Milliseconds that a message is to wait, as runtime has it now; 0 for none. */
  readonly delayMs: (() => number) | undefined;
  readonly emitMetadata: boolean;
  readonly drain: DrainSignal;
  readonly drainsWhenUnhealthy: boolean;
}

interface ActiveQuery {
  readonly requestId: number;
  readonly info: QueryInfo;
  readonly since: number;
}

/** Clients that never get answers are not kept account of for ever. */
const MAX_ACTIVE = 10_000;

/** Reads along what client and server say, and counts it. What it cannot read passes all the same. */
export class MongoFilter implements NetworkFilter {
  readonly #config: MongoConfig;
  readonly #callbacks: NetworkFilterCallbacks;
  readonly #logs: boolean;
  readonly #requests = new MongoDecoder();
  readonly #replies = new MongoDecoder();
  readonly #active: ActiveQuery[] = [];
  #sniffing = true;
  #firstEnd: 'client' | 'server' | undefined = undefined;
  #delay: Timer | undefined = undefined;
  #drainClose: Timer | undefined = undefined;

  constructor(config: MongoConfig, callbacks: NetworkFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
    this.#logs = config.log !== undefined && this.#enabled('mongo.connection_logging_enabled');
  }

  #enabled(key: string): boolean {
    const { runtime, random } = this.#callbacks.worker;
    const share = shareAt(runtime, key, 1);
    return share >= 1 || random() < share;
  }

  onData({ bytes, start, end }: NetworkData, last: boolean): NetworkStatus {
    if (last) this.#firstEnd ??= 'client';
    this.#decode(this.#requests, bytes, start, end);
    return this.#delay === undefined ? NetworkStatus.Continue : NetworkStatus.Stop;
  }

  onHeldData({ bytes, start, end }: NetworkData): void {
    this.#decode(this.#requests, bytes, start, end);
  }

  onWrite(bytes: Uint8Array, last: boolean): void {
    if (last) this.#firstEnd ??= 'server';
    this.#decode(this.#replies, bytes, 0, bytes.length);
  }

  #decode(decoder: MongoDecoder, bytes: Uint8Array, start: number, end: number): void {
    if (!this.#sniffing || !this.#enabled('mongo.proxy_enabled')) return;
    const { stats, emitMetadata } = this.#config;
    if (emitMetadata) this.#metadata.set(NAME, {});
    if (start === end) return;
    try {
      decoder.receive(Buffer.from(bytes.subarray(start, end)), (message) => this.#onMessage(message));
    } catch (error) {
      if (!(error instanceof MongoError)) throw error;
      this.#callbacks.worker.log.debug(`mongo decoding error: ${error.message}`);
      stats.decoding_error++;
      this.#sniffing = false;
    }
  }

  #onMessage(message: MongoMessage): void {
    const { stats, log, emitMetadata } = this.#config;
    if (message.op !== OpCode.Reply) this.#tryDelay();
    if (emitMetadata && message.op === OpCode.Insert) this.#tell('insert', message.collection);
    if (emitMetadata && message.op === OpCode.Query) this.#tell('query', message.collection);
    if (this.#logs && this.#enabled('mongo.logging_enabled')) {
      const { info, worker } = this.#callbacks;
      const time = new Date(worker.timers.wallClock()).toISOString();
      const text = messageText(message, message.op !== OpCode.Reply);
      const host = info.upstreamHost ? formatAddress(info.upstreamHost.address) : '-';
      log?.write(`{"time": "${time}", "message": ${text}, "upstream_host": "${host}"}\n`);
    }
    switch (message.op) {
      case OpCode.GetMore:
        stats.op_get_more++;
        break;
      case OpCode.Insert:
        stats.op_insert++;
        break;
      case OpCode.KillCursors:
        stats.op_kill_cursors++;
        break;
      case OpCode.Command:
        stats.op_command++;
        break;
      case OpCode.CommandReply:
        stats.op_command_reply++;
        break;
      case OpCode.Query:
        this.#onQuery(message);
        break;
      case OpCode.Reply:
        this.#onReply(message);
        break;
    }
  }

  get #metadata(): Map<string, Readonly<Record<string, unknown>>> {
    const { info } = this.#callbacks;
    return (info.dynamicMetadata ??= new Map());
  }

  #tell(operation: string, resource: string): void {
    const all = this.#metadata.get(NAME) as Readonly<Record<string, JsonValue>> | undefined;
    const before = all?.[resource];
    this.#metadata.set(NAME, { ...all, [resource]: [...(Array.isArray(before) ? before : []), operation] });
  }

  #tryDelay(): void {
    if (this.#delay !== undefined) return;
    const ms = this.#config.delayMs?.() ?? 0;
    if (ms <= 0) return;
    this.#config.stats.delays_injected++;
    this.#delay = this.#callbacks.worker.timers.start(ms, () => {
      this.#delay = undefined;
      this.#callbacks.continueReading();
    });
  }

  #onQuery({ requestId, flags, collection, query }: MongoMessage & { readonly op: typeof OpCode.Query }): void {
    const { stats } = this.#config;
    stats.op_query++;
    if (flags & QueryFlag.TailableCursor) stats.op_query_tailable_cursor++;
    if (flags & QueryFlag.NoCursorTimeout) stats.op_query_no_cursor_timeout++;
    if (flags & QueryFlag.AwaitData) stats.op_query_await_data++;
    if (flags & QueryFlag.Exhaust) stats.op_query_exhaust++;
    const info = queryInfo(collection, query);
    for (const group of this.#groups(info)) {
      group.count('total');
      if (info.kind === 'query' && info.type !== 'primary_key') group.count(info.type);
    }
    if (info.kind === 'query') {
      if (!info.hasMaxTime) stats.op_query_no_max_time++;
      if (info.type === 'scatter_get') stats.op_query_scatter_get++;
      else if (info.type === 'multi_get') stats.op_query_multi_get++;
    }
    if (this.#active.length >= MAX_ACTIVE) this.#active.shift();
    else stats.op_query_active++;
    this.#active.push({ requestId, info, since: this.#callbacks.worker.timers.now() });
  }

  #groups(info: QueryInfo): MongoCallStats[] {
    const { calls, commands } = this.#config;
    if (info.kind === 'command') {
      return [calls.command(commands.has(info.command) ? info.command : 'unknown_command')];
    }
    const { collection, callsite } = info;
    const own = calls.collection(collection);
    return callsite === '' ? [own] : [own, calls.callsite(collection, callsite)];
  }

  #onReply({ flags, cursorId, responseTo, documents }: MongoMessage & { readonly op: typeof OpCode.Reply }): void {
    const { stats } = this.#config;
    stats.op_reply++;
    if (cursorId !== 0n) stats.op_reply_valid_cursor++;
    if (flags & ReplyFlag.CursorNotFound) stats.op_reply_cursor_not_found++;
    if (flags & ReplyFlag.QueryFailure) stats.op_reply_query_failure++;
    const index = this.#active.findIndex(({ requestId }) => requestId === responseTo);
    if (index >= 0) {
      const [{ info, since }] = this.#active.splice(index, 1);
      stats.op_query_active--;
      const ms = this.#callbacks.worker.timers.now() - since;
      for (const group of this.#groups(info)) {
        group.reply_num_docs.record(documents.length);
        group.reply_size.record(documents.reduce((sum, { byteLength }: BsonDocument) => sum + byteLength, 0));
        group.reply_time_ms.record(ms);
      }
    }
    if (this.#active.length === 0 && this.#draining && this.#enabled('mongo.drain_close_enabled')) {
      stats.cx_drain_close++;
      // The reply is only about to be written.
      this.#drainClose ??= this.#callbacks.worker.timers.start(0, () => {
        this.#callbacks.connection.closeAfterFlush(FLUSH_MS);
      });
    }
  }

  get #draining(): boolean {
    const { drain, drainsWhenUnhealthy } = this.#config;
    return drain.draining || (drainsWhenUnhealthy && this.#callbacks.worker.health.failed);
  }

  onClose(reason: CloseReason): void {
    const { stats } = this.#config;
    this.#delay?.cancel();
    this.#drainClose?.cancel();
    if (this.#active.length === 0) return;
    // Who says the last word closes it, where both have said all.
    const local = reason === CloseReason.Local || (reason === CloseReason.Remote && this.#firstEnd === 'client');
    if (local) stats.cx_destroy_local_with_active_rq++;
    else stats.cx_destroy_remote_with_active_rq++;
    stats.op_query_active -= this.#active.length;
    this.#active.length = 0;
  }
}

/** How long the last reply may take to leave. */
const FLUSH_MS = 1000;
