import { type DescMessage, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { registry, TYPE_URL_PREFIX } from '../../src/api/registry.ts';
import { systemClock } from '../../src/base/clock.ts';
import { DiscoveryStream } from '../../src/xds/server/discovery-stream.ts';
import type { ResourceView } from '../../src/xds/server/resource-view.ts';
import type { Nack } from '../../src/xds/server/served-type.ts';
import { discoveryServices } from '../../src/xds/server/services.ts';
import { delta, sotw } from '../../src/xds/server/variant.ts';
import type { ServedResource } from '../../src/xds/session/messages.ts';
import { recordConfig } from './recorded-config.ts';

const NONE: readonly ServedResource[] = [];

/** A control plane that serves what a test hands it, over ADS in both variants, to whoever connects. */
export class ScriptedControlPlane {
  readonly nacks: Nack[] = [];
  /** Snapshot that every client has settled; grows with each {@link push}. */
  settled = 0;
  readonly #server = new Server({ 'grpc.max_send_message_length': -1, 'grpc.enable_channelz': 0 });
  readonly #streams = new Set<DiscoveryStream<never>>();
  #types = new Map<string, ReadonlyMap<string, ServedResource>>();
  #number = 0;
  #view: ResourceView = this.#newView();
  port = 0;

  async listen(): Promise<number> {
    const services = discoveryServices((_call, method, send, end) => {
      const stream = new DiscoveryStream({
        variant: (method.delta ? delta : sotw) as never,
        clock: systemClock,
        defaultType: method.typeUrl,
        controlPlane: 'scripted',
        ackTimeoutMs: 10_000,
        send,
        end,
        observer: {
          onNode: () => queueMicrotask(() => stream.push(this.#view)),
          onSent: () => {},
          onAck: () => {},
          onNack: (nack) => this.nacks.push(nack),
          onStale: () => {},
          onPushEnd: () => {},
          onSettled: (snapshot) => (this.settled = Math.max(this.settled, snapshot)),
        },
      }) as DiscoveryStream<never>;
      this.#streams.add(stream);
      return {
        receive: (message) => stream.receive(message),
        close: () => {
          this.#streams.delete(stream);
          stream.close();
        },
      };
    });
    for (const { definition, implementation } of services) this.#server.addService(definition, implementation);
    this.port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
    return this.port;
  }

  /** Replaces all resources of a type, by name; nobody hears of it before {@link push}. */
  set(schema: DescMessage, resources: Readonly<Record<string, JsonObject>>): void {
    const version = String(this.#number + 1);
    const before = this.#types.get(TYPE_URL_PREFIX + schema.typeName);
    const served = Object.entries(resources).map(([name, json]): [string, ServedResource] => {
      recordConfig(schema, json);
      const bytes = toBinary(schema, fromJson(schema, json, { registry }));
      const old = before?.get(name);
      const same = old !== undefined && Buffer.compare(old.bytes, bytes) === 0;
      return [name, same ? old : { name, version, bytes }];
    });
    this.setEncoded(schema, new Map(served));
  }

  setEncoded(schema: DescMessage, resources: ReadonlyMap<string, ServedResource>): void {
    this.#types = new Map(this.#types).set(TYPE_URL_PREFIX + schema.typeName, resources);
  }

  /** Publishes what was set. Returns the number that `settled` reaches when all clients have it. */
  push(): number {
    this.#number++;
    this.#view = this.#newView();
    for (const stream of this.#streams) stream.push(this.#view);
    return this.#number;
  }

  #newView(): ResourceView {
    const types = this.#types;
    const lists = new Map([...types].map(([type, resources]) => [type, [...resources.values()]] as const));
    return {
      number: this.#number,
      all: (typeUrl) => lists.get(typeUrl) ?? NONE,
      get: (typeUrl, name) => types.get(typeUrl)?.get(name),
    };
  }

  close(): void {
    this.#server.forceShutdown();
  }
}
