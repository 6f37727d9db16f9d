import { fromBinary } from '@bufbuild/protobuf';
import { ClusterLoadAssignmentSchema } from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import { TYPE_URL_PREFIX } from '../../api/registry.ts';
import { messageOf } from '../../base/errors.ts';
import type { RawResource, Rejection } from '../../xds/client/config-source.ts';
import { ConfigErrors } from '../config/errors.ts';
import type { ConfigSourceSpec } from '../config/source-spec.ts';
import { checkSupported } from '../config/supported.ts';
import type { WorkerContext } from '../context.ts';
import { NameSubscription, PerSource } from '../name-subscription.ts';
import { type Assignment, readAssignment } from './endpoints.ts';
import { SUPPORTED } from './supported.ts';

const TYPE = TYPE_URL_PREFIX + ClusterLoadAssignmentSchema.typeName;

/** A cluster's interest in the endpoints of one service. */
export interface EndpointSink {
  onEndpoints(assignment: Assignment, version: string): void;
  /** The server has nothing of that name, or nothing any more: what was good last stays, as with Envoy. */
  onNothing(): void;
  /** Nothing has come within `initial_fetch_timeout`. */
  onTimeout(): void;
  /** An update was refused; the last good endpoints stay. */
  onRejected(): void;
  /** The stream of configuration ended, or the file of it cannot be read. */
  onFailed(): void;
}

/** What the server said last. */
interface Answer {
  readonly assignment: Assignment;
  readonly version: string;
}

interface Service {
  readonly sinks: Set<EndpointSink>;
  last: Answer | undefined;
}

/** EDS: one subscription a source for all clusters, and the last answer for clusters that come later. */
export class EndpointSubscriptions {
  readonly #sources: PerSource<SourceSubscription>;

  constructor(worker: WorkerContext) {
    this.#sources = new PerSource((source) => new SourceSubscription(worker, source));
  }

  /** Delivers what is known of the service now, and every change of it, until the returned function is called. */
  watch(source: ConfigSourceSpec, name: string, sink: EndpointSink): () => void {
    return this.#sources.of(source).watch(name, sink);
  }
}

class SourceSubscription {
  readonly #worker: WorkerContext;
  readonly #services = new Map<string, Service>();
  readonly #subscription: NameSubscription;
  #timedOut = false;

  constructor(worker: WorkerContext, source: ConfigSourceSpec) {
    const { flushQueue } = worker;
    this.#worker = worker;
    this.#subscription = new NameSubscription(worker, {
      source,
      typeUrl: TYPE,
      names: () => this.#services.keys(),
      sink: {
        onUpdate: (resources, removed, settle) => {
          flushQueue.run(() => {
            const rejections = resources.flatMap((resource) => this.#take(resource));
            this.#tell(removed, (sink) => sink.onNothing());
            settle(rejections);
          });
        },
        onMissing: (missing) => {
          const timedOut = this.#timedOut;
          this.#timedOut = false;
          flushQueue.run(() => this.#tell(missing, (sink) => (timedOut ? sink.onTimeout() : sink.onNothing())));
        },
      },
      // Clusters count for themselves what comes to them; what happens to the stream or the file happens to all.
      stats: {
        attempt() {},
        success() {},
        rejected() {},
        failure: () => this.#tell([...this.#services.keys()], (sink) => sink.onFailed()),
        // What is missing next is missing because its time is up.
        initFetchTimeout: () => (this.#timedOut = true),
      },
    });
  }

  watch(name: string, sink: EndpointSink): () => void {
    let service = this.#services.get(name);
    if (service === undefined) {
      service = { sinks: new Set(), last: undefined };
      this.#services.set(name, service);
      this.#subscription.namesChanged();
    }
    service.sinks.add(sink);
    if (service.last) sink.onEndpoints(service.last.assignment, service.last.version);
    return () => {
      service.sinks.delete(sink);
      if (service.sinks.size > 0) return;
      this.#services.delete(name);
      this.#subscription.namesChanged();
    };
  }

  #tell(names: readonly string[], tell: (sink: EndpointSink) => void): void {
    for (const name of names) for (const sink of this.#services.get(name)?.sinks ?? []) tell(sink);
  }

  #take({ name, version, bytes }: RawResource): Rejection[] {
    const errors = new ConfigErrors(this.#worker.unknownFields);
    try {
      const proto = fromBinary(ClusterLoadAssignmentSchema, bytes);
      checkSupported(ClusterLoadAssignmentSchema, proto, SUPPORTED, errors);
      const assignment = readAssignment(proto, errors);
      if (!errors.any) {
        this.#deliver(proto.clusterName, { assignment, version });
        return [];
      }
    } catch (error) {
      errors.add('', messageOf(error));
    }
    for (const sink of this.#services.get(name)?.sinks ?? []) sink.onRejected();
    return [{ name, reason: errors.toString() }];
  }

  #deliver(name: string, answer: Answer): void {
    const service = this.#services.get(name);
    if (service === undefined) return;
    service.last = answer;
    for (const sink of service.sinks) sink.onEndpoints(answer.assignment, answer.version);
  }
}
