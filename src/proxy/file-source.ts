import fs from 'node:fs';
import path from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  type DiscoveryResponse,
  DiscoveryResponseSchema,
  ResourceSchema,
} from '../api/gen/envoy/service/discovery/v3/discovery_pb.ts';
import { messageFromJson } from '../api/json.ts';
import { typeNameOf, unpackAny } from '../api/registry.ts';
import { messageOf, UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type {
  ConfigSource,
  RawResource,
  Rejection,
  SubscribeOptions,
  Subscription,
  SubscriptionSink,
} from '../xds/client/config-source.ts';
import { isFullState } from '../xds/session/resource-types.ts';
import { describeProblems, parseConfig, readTextFile } from './config/document.ts';
import type { UnknownFieldSink } from './config/errors.ts';
import type { FileWatcher } from './file-watcher.ts';

export interface FileSourceOptions {
  /** `PathConfigSource.path`. */
  readonly path: string;
  /** `PathConfigSource.watched_directory`: the file is read again when something in this folder has changed. */
  readonly watchedDirectory?: string;
  readonly watcher: FileWatcher;
  readonly log: Logger;
  readonly unknownFields: UnknownFieldSink;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What is wanted of a file. */
interface FileContents {
  /** `version_info` of the response. */
  readonly version: string;
  readonly resources: readonly RawResource[];
}

/**
 * Resources out of a file that holds a discovery response in YAML, JSON or protobuf (`envoy.config.core.v3.PathConfigSource`).
 * It is taken again when another file is moved into its place, as Envoy does: what is written in place may be half of it.
 */
export class FileSource implements ConfigSource {
  readonly #options: FileSourceOptions;
  readonly #followers = new Set<Follower>();
  #identity: string | undefined;
  #endWatch: (() => void) | undefined = undefined;

  constructor(options: FileSourceOptions) {
    this.#options = options;
    this.#identity = identityOf(options.path);
  }

  subscribe(
    typeUrl: string,
    names: readonly string[] | undefined,
    sink: SubscriptionSink,
    options: SubscribeOptions = {},
  ): Subscription {
    const { path: file, watchedDirectory, watcher } = this.#options;
    this.#endWatch ??= watcher.watch(watchedDirectory ?? path.dirname(file), () => this.#changed());
    const follower = new Follower(this.#options, typeUrl, names, sink, options);
    this.#followers.add(follower);
    follower.readSoon();
    return {
      setNames: (wanted) => follower.setNames(wanted),
      close: () => {
        follower.close();
        this.#followers.delete(follower);
        if (this.#followers.size > 0) return;
        this.#endWatch?.();
        this.#endWatch = undefined;
      },
    };
  }

  #changed(): void {
    const identity = identityOf(this.#options.path);
    if (this.#options.watchedDirectory === undefined && (identity === undefined || identity === this.#identity)) return;
    this.#identity = identity;
    for (const follower of [...this.#followers]) follower.read();
  }

  close(): void {
    for (const follower of this.#followers) follower.close();
    this.#followers.clear();
    this.#endWatch?.();
    this.#endWatch = undefined;
  }
}

/** Which file stands at a path, whatever is in it; undefined if none. */
function identityOf(file: string): string | undefined {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}:${stat.birthtimeMs}`;
}

/** One subscription to a file. */
class Follower {
  readonly #source: FileSourceOptions;
  readonly #typeUrl: string;
  readonly #sink: SubscriptionSink;
  readonly #options: SubscribeOptions;
  #names: readonly string[] | undefined;
  /** What the subscriber has been given, by name. */
  readonly #given = new Map<string, Uint8Array>();
  #applying = false;
  #again = false;
  #soon = false;
  #closed = false;

  constructor(
    source: FileSourceOptions,
    typeUrl: string,
    names: readonly string[] | undefined,
    sink: SubscriptionSink,
    options: SubscribeOptions,
  ) {
    this.#source = source;
    this.#typeUrl = typeUrl;
    this.#names = names;
    this.#sink = sink;
    this.#options = options;
  }

  setNames(names: readonly string[]): void {
    const wanted = new Set(names);
    const isNew = names.some((name) => !this.#names?.includes(name));
    for (const name of this.#given.keys()) if (!wanted.has(name)) this.#given.delete(name);
    this.#names = names;
    if (isNew) this.readSoon();
  }

  /** Never from within `subscribe`, whose caller does not have the subscription yet. */
  readSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    queueMicrotask(() => {
      this.#soon = false;
      this.read();
    });
  }

  read(): void {
    if (this.#closed) return;
    if (this.#applying) {
      this.#again = true;
      return;
    }
    const { path: file, log } = this.#source;
    const { stats } = this.#options;
    stats?.attempt();
    let contents: FileContents;
    try {
      contents = readContents(file, this.#typeUrl, this.#names, this.#source.unknownFields);
    } catch (error) {
      stats?.failure();
      log.warn(`the resources of a file are not taken: ${messageOf(error)}`);
      this.#tellMissing();
      return;
    }
    this.#take(contents);
  }

  /** Whoever waits for what is not in the file goes on without. */
  #tellMissing(): void {
    const missing = this.#names?.filter((name) => !this.#given.has(name));
    if (missing === undefined ? this.#given.size === 0 : missing.length > 0) this.#sink.onMissing(missing ?? []);
  }

  #take({ version, resources }: FileContents): void {
    const there = new Set(resources.map(({ name }) => name));
    const removed = isFullState(this.#typeUrl) ? [...this.#given.keys()].filter((name) => !there.has(name)) : [];
    const changed = resources.filter(({ name, bytes }) => !isSame(this.#given.get(name), bytes));
    for (const { name, bytes } of changed) this.#given.set(name, bytes);
    for (const name of removed) this.#given.delete(name);
    if (this.#names === undefined || changed.length > 0) {
      this.#applying = true;
      this.#sink.onUpdate(changed, removed, (rejections) => this.#settled(version, rejections));
    }
    if (this.#names !== undefined) this.#tellMissing();
  }

  #settled(version: string, rejections: readonly Rejection[]): void {
    const { path: file, log, now } = this.#source;
    this.#applying = false;
    if (rejections.length === 0) this.#options.stats?.success(version, now());
    else this.#options.stats?.rejected();
    for (const { name, reason } of rejections) log.warn(`${file}: ${name}: ${reason}`);
    if (!this.#again) return;
    this.#again = false;
    this.readSoon();
  }

  close(): void {
    this.#closed = true;
  }
}

const isSame = (before: Uint8Array | undefined, after: Uint8Array) =>
  before !== undefined && Buffer.compare(before, after) === 0;

/** The resources of a file that are wanted. Throws what is wrong, with its place. */
function readContents(
  file: string,
  typeUrl: string,
  names: readonly string[] | undefined,
  unknown: UnknownFieldSink,
): FileContents {
  const response = readResponse(file, unknown);
  const resources = response.resources.map((any, i): RawResource => {
    const isWrapped = typeNameOf(any.typeUrl) === ResourceSchema.typeName;
    const { name, resource = any } = isWrapped ? fromBinary(ResourceSchema, any.value) : { name: '', resource: any };
    if (resource.typeUrl !== typeUrl) {
      throw new UserError(`${file}: resources[${i}]: a ${typeNameOf(typeUrl)} is wanted, not ${resource.typeUrl}`);
    }
    return { name: name || nameOf(resource), version: response.versionInfo, typeUrl, bytes: resource.value };
  });
  const wanted = names ? resources.filter(({ name }) => names.includes(name)) : resources;
  if (names !== undefined && wanted.length === 0) throw new UserError(`${file}: there is none of ${names.join(', ')}`);
  return { version: response.versionInfo, resources: wanted };
}

/** By the ending of the file's name, as Envoy has it: `.pb` is protobuf; YAML takes JSON as well. */
function readResponse(file: string, unknown: UnknownFieldSink): DiscoveryResponse {
  if (file.endsWith('.pb_text'))
    throw new UserError(`${file}: protobuf's text format is not read; use YAML, JSON or .pb`);
  if (file.endsWith('.pb')) return fromBinary(DiscoveryResponseSchema, fs.readFileSync(file));
  const document = parseConfig(readTextFile(file), file);
  const read = messageFromJson(DiscoveryResponseSchema, document.json ?? {}, { allowUnknown: true });
  if ('problems' in read) throw new UserError(describeProblems(read.problems, document).join('\n'));
  for (const sentence of describeProblems(read.unknown, document)) {
    const refusal = unknown.note('', sentence);
    if (refusal !== undefined) throw new UserError(refusal);
  }
  return read.message;
}

/** What a resource calls itself: `cluster_name` of endpoints, `name` of everything else. */
function nameOf(any: Any): string {
  const { message } = unpackAny(any) as { message: { name?: string; clusterName?: string } };
  return message.name ?? message.clusterName ?? '';
}
