import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { WorkloadSource, WorkloadState } from '../../ca/client/state.ts';
import { parseFileResource, watchFileSecret } from '../../ca/content/file-secrets.ts';
import type { SecretContent } from '../../ca/content/secret.ts';
import {
  WORKLOAD_CERTIFICATE,
  WORKLOAD_ROOTS,
  workloadCertificateSecret,
  workloadRootsSecret,
} from '../../ca/content/workload-secrets.ts';
import type { AgentMetrics } from '../status/metrics.ts';

export interface SecretsOptions {
  readonly source: WorkloadSource;
  /** Roots in PEM that are trusted besides the mesh's (`caCertificatesPem`). */
  readonly moreRoots: readonly string[];
  /** Where a file may really lie. */
  readonly places: (path: string) => readonly string[];
  readonly metrics: AgentMetrics;
  readonly log: Logger;
  readonly clock?: Clock;
}

type Listener = (secret: SecretContent) => void;

interface Followed {
  content: SecretContent | undefined;
  readonly listeners: Set<Listener>;
  close(): void;
}

/** A proxy follows a few; a limit keeps one that has lost its mind from watching every file of the machine. */
const MAX_FOLLOWED = 1000;

/** The secrets that a proxy may have from its agent: `default`, `ROOTCA`, and files by `file-cert:` and `file-root:`. */
export class Secrets {
  readonly #options: SecretsOptions;
  readonly #followed = new Map<string, Followed>();
  readonly #unsubscribe: () => void;

  constructor(options: SecretsOptions) {
    this.#options = options;
    this.#unsubscribe = options.source.subscribe((state) => this.#update(state));
  }

  /** Names of secrets that somebody follows and that are not there. */
  get missing(): readonly string[] {
    return [...this.#followed].flatMap(([name, { content }]) => (content ? [] : [name]));
  }

  isFollowed(name: string): boolean {
    return this.#followed.has(name);
  }

  /** The last content of a secret that is followed. */
  get(name: string): SecretContent | undefined {
    return this.#followed.get(name)?.content;
  }

  /**
   * Follows a secret: calls back with what there is, at once if it is there, and with every later version. A name that
   * stands for nothing never has any content. Returns how to stop.
   */
  follow(name: string, listener: Listener): () => void {
    let followed = this.#followed.get(name);
    if (!followed) {
      if (this.#followed.size >= MAX_FOLLOWED) {
        this.#options.log.error(`more than ${MAX_FOLLOWED} secrets are followed; ${name} is not`);
        return () => {};
      }
      followed = this.#open(name);
      this.#followed.set(name, followed);
    }
    const { listeners, content } = followed;
    listeners.add(listener);
    if (content) listener(content);
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0 || this.#followed.get(name) !== followed) return;
      this.#followed.delete(name);
      followed.close();
    };
  }

  close(): void {
    this.#unsubscribe();
    for (const followed of this.#followed.values()) followed.close();
    this.#followed.clear();
  }

  #open(name: string): Followed {
    const followed: Followed = { content: undefined, listeners: new Set(), close() {} };
    if (name === WORKLOAD_CERTIFICATE || name === WORKLOAD_ROOTS) {
      followed.content = this.#workloadSecret(name, this.#options.source.state);
    } else if (parseFileResource(name)) {
      this.#openFiles(name, followed);
    } else {
      this.#options.log.warn(`the proxy asks for the secret ${name}, which an agent does not have`);
    }
    return followed;
  }

  #openFiles(name: string, followed: Followed): void {
    const { places, metrics, log, clock = systemClock } = this.#options;
    let closed = false;
    let watch: { close(): void } | undefined;
    followed.close = () => {
      closed = true;
      watch?.close();
    };
    const onError = (error: unknown) => {
      metrics.increment('num_file_secret_failures_total');
      log.error(`secret ${name}: ${messageOf(error)}`);
    };
    const onChange = (secret: SecretContent) => {
      if (!closed) publish(followed, secret);
    };
    watchFileSecret(name, { places, onChange, onError, clock }).then((opened) => {
      watch = opened;
      if (closed) opened.close();
    }, onError);
  }

  #update(state: WorkloadState): void {
    for (const name of [WORKLOAD_CERTIFICATE, WORKLOAD_ROOTS]) {
      const followed = this.#followed.get(name);
      const secret = followed && this.#workloadSecret(name, state);
      // A proxy keeps an expired certificate rather than none; that it has expired shows in readiness and metrics.
      if (followed && secret && !isSame(followed.content, secret)) publish(followed, secret);
    }
  }

  #workloadSecret(name: string, state: WorkloadState): SecretContent | undefined {
    if (name === WORKLOAD_CERTIFICATE) return workloadCertificateSecret(state);
    const roots = workloadRootsSecret(state);
    const { moreRoots } = this.#options;
    return roots && { ...roots, trustedCa: [roots.trustedCa, ...moreRoots].map((pem) => `${pem.trim()}\n`).join('') };
  }
}

function publish(followed: Followed, secret: SecretContent): void {
  followed.content = secret;
  for (const listener of [...followed.listeners]) listener(secret);
}

function isSame(a: SecretContent | undefined, b: SecretContent): boolean {
  if (a?.type === 'certificate' && b.type === 'certificate')
    return a.certificateChain === b.certificateChain && a.privateKey === b.privateKey;
  return a?.type === 'validation' && b.type === 'validation' && a.trustedCa === b.trustedCa && a.crl === b.crl;
}
