import { effectOn } from './affects.ts';
import { type Cell, TypeUrl } from './cell.ts';
import { ClusterCells } from './cells/clusters.ts';
import { EndpointCells } from './cells/endpoints.ts';
import { ExtensionCells } from './cells/extensions.ts';
import { ListenerCells } from './cells/listeners.ts';
import { nameTableCells } from './cells/name-table.ts';
import { RouteCells } from './cells/routes.ts';
import type { Features } from './features.ts';
import { IndexBuilder } from './index/indexes.ts';
import type { MeshSnapshot } from './mesh.ts';
import type { ProxyNode } from './node.ts';
import { ProxyBuilder, type ProxyView } from './proxy-view.ts';
import type { Translation, Translator } from './translation.ts';

export interface TranslatorOptions {
  readonly features: Features;
  /** Suffix of the names of Kubernetes services, such as `cluster.local`. */
  readonly domain: string;
  /**
   * Where secrets come from: certificates and keys never pass through here. Without it proxies get none from the control
   * plane.
   */
  readonly secret?: (snapshot: MeshSnapshot, node: ProxyNode, name: string) => Cell | undefined;
}

/** Turns Istio's configuration into what Envoy understands, for every proxy of a mesh. */
export class MeshTranslator implements Translator<MeshSnapshot, ProxyNode> {
  readonly #options: TranslatorOptions;
  readonly #indexes: IndexBuilder;
  readonly #proxies: ProxyBuilder;
  readonly #listeners = new ListenerCells();
  readonly #clusters = new ClusterCells();
  readonly #routes = new RouteCells();
  readonly #endpoints = new EndpointCells();
  readonly #extensions = new ExtensionCells();

  constructor(options: TranslatorOptions) {
    this.#options = options;
    this.#indexes = new IndexBuilder(options);
    this.#proxies = new ProxyBuilder(options.features);
  }

  translate(snapshot: MeshSnapshot, node: ProxyNode): Translation {
    const proxy = this.#proxies.build(this.#indexes.of(snapshot), node);
    return {
      number: snapshot.number,
      all: (type) => this.#all(proxy, type),
      get: (type, name) => this.#get(snapshot, proxy, type, name),
      warnings: () => (node.interceptionMode === 'NONE' ? this.#listeners.warnings(proxy) : []),
    };
  }

  affects(before: MeshSnapshot, after: MeshSnapshot, node: ProxyNode): boolean {
    const known = this.#proxies.build(this.#indexes.of(before), node);
    const { endpoints, rest } = effectOn(known, this.#proxies.build(this.#indexes.of(after), node));
    return endpoints || rest;
  }

  #all(proxy: ProxyView, type: TypeUrl): readonly Cell[] {
    switch (type) {
      case TypeUrl.Listener:
        return this.#listeners.all(proxy);
      case TypeUrl.Cluster:
        return this.#clusters.all(proxy);
      case TypeUrl.NameTable:
        return nameTableCells(proxy);
      default:
        return [];
    }
  }

  #get(snapshot: MeshSnapshot, proxy: ProxyView, type: TypeUrl, name: string): Cell | undefined {
    switch (type) {
      case TypeUrl.Route:
        return this.#routes.get(proxy, name);
      case TypeUrl.Endpoint:
        return this.#endpoints.get(proxy, name);
      case TypeUrl.ExtensionConfig:
        return this.#extensions.get(proxy, name);
      case TypeUrl.Secret:
        return this.#options.secret?.(snapshot, proxy.node, name);
      default:
        return this.#all(proxy, type).find((cell) => cell.name === name);
    }
  }
}
