import { Adapters } from '../../adapters/adapters.ts';
import type { MeshConfig } from '../../config/kinds/mesh-config/schema.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';
import type { ConfigStore } from '../../config/store/store.ts';
import type { RegistryOptions } from '../../registry/options.ts';
import { RegistryBuilder } from '../../registry/registry.ts';
import { type MeshSnapshot, meshOf } from '../../translate/mesh.ts';

/** A snapshot of the mesh took the place of another. */
export interface MeshChange {
  readonly before: MeshSnapshot;
  readonly after: MeshSnapshot;
  /** When the change became known, milliseconds of a clock that only goes forward. */
  readonly at: number;
  /** What changed: objects, the configuration of the mesh, or keys of token issuers. */
  readonly trigger: 'config' | 'mesh' | 'keys';
  /** Keys of the objects that changed. */
  readonly keys: readonly string[];
}

export interface MeshSourceOptions {
  readonly store: ConfigStore;
  readonly mesh: MeshConfig;
  /** The trust domain is the mesh's. */
  readonly registry: Omit<RegistryOptions, 'trustDomain'>;
  /** Told how long it took to make a snapshot, in seconds. */
  readonly onBuilt?: (seconds: number) => void;
  /** Milliseconds of a clock that only goes forward; `performance.now` unless told. */
  readonly now?: () => number;
}

/**
 * The mesh as one numbered snapshot after another: every change of the configuration makes the next, at once. There is
 * no waiting for more changes to come; who is busy with one snapshot takes the newest when it is done.
 */
export class MeshSource {
  readonly #options: MeshSourceOptions;
  readonly #listeners = new Set<(change: MeshChange) => void>();
  readonly #unsubscribe: () => void;
  readonly #adapters = new Adapters();
  /** As it was written, without what adapters made of it. */
  #written: ConfigSnapshot;
  #registry: { readonly trustDomain: string; readonly builder: RegistryBuilder };
  #jwks: ReadonlyMap<string, string> | undefined;
  #snapshot: MeshSnapshot;

  constructor(options: MeshSourceOptions) {
    this.#options = options;
    const { trustDomain } = meshOf(options.mesh);
    this.#registry = { trustDomain, builder: new RegistryBuilder({ ...options.registry, trustDomain }) };
    this.#written = options.store.snapshot;
    this.#snapshot = this.#build(1, options.store.snapshot, options.mesh);
    this.#unsubscribe = options.store.subscribe(({ snapshot, added, updated, removed }) =>
      this.#change(snapshot, this.#snapshot.mesh, 'config', [...added, ...updated, ...removed]),
    );
  }

  get snapshot(): MeshSnapshot {
    return this.#snapshot;
  }

  /** Puts another configuration of the mesh into force. */
  setMesh(mesh: MeshConfig): void {
    this.#change(this.#written, mesh, 'mesh', []);
  }

  /** Puts other keys of token issuers into force; see {@link MeshSnapshot.jwks}. */
  setKeySets(jwks: ReadonlyMap<string, string>): void {
    this.#jwks = jwks;
    this.#change(this.#written, this.#snapshot.mesh, 'keys', []);
  }

  /** Calls `listener` with every change from now on. Returns how to stop. */
  subscribe(listener: (change: MeshChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#unsubscribe();
    this.#listeners.clear();
  }

  #change(config: ConfigSnapshot, mesh: MeshConfig, trigger: MeshChange['trigger'], keys: readonly string[]): void {
    const at = (this.#options.now ?? (() => performance.now()))();
    const before = this.#snapshot;
    this.#written = config;
    this.#snapshot = this.#build(before.number + 1, config, mesh);
    for (const listener of [...this.#listeners]) listener({ before, after: this.#snapshot, at, trigger, keys });
  }

  #build(number: number, written: ConfigSnapshot, mesh: MeshConfig): MeshSnapshot {
    const started = performance.now();
    const config = this.#adapters.adapt(written, mesh);
    const { trustDomain } = meshOf(mesh);
    if (trustDomain !== this.#registry.trustDomain) {
      this.#registry = { trustDomain, builder: new RegistryBuilder({ ...this.#options.registry, trustDomain }) };
    }
    const registry = this.#registry.builder.build(config);
    this.#options.onBuilt?.((performance.now() - started) / 1000);
    return { number, config, registry, mesh, ...(this.#jwks === undefined ? {} : { jwks: this.#jwks }) };
  }
}
