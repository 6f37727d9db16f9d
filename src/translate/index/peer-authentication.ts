import type { PeerAuthenticationSpec } from '../../config/kinds/peer-authentication/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { isEmpty } from '../../registry/labels.ts';
import { PolicyIndex, type PolicyTarget } from './policy-match.ts';

export type MutualTlsMode = 'DISABLE' | 'PERMISSIVE' | 'STRICT';

/** Which connections a workload takes. */
export interface PeerPolicy {
  readonly mode: MutualTlsMode;
  /** By port of the workload; ports that are not here have `mode`. */
  readonly ports: ReadonlyMap<number, MutualTlsMode>;
}

/** PeerAuthentication objects, and what comes of those that apply together. */
export class PeerAuthenticationIndex {
  /** The objects themselves. */
  readonly policies: PolicyIndex<PeerAuthenticationSpec>;
  readonly #rootNamespace: string;
  readonly #effective = new Map<string, PeerPolicy>();
  readonly #ofNamespace = new Map<string, MutualTlsMode | undefined>();

  constructor(objects: readonly ConfigObject<PeerAuthenticationSpec>[], rootNamespace: string) {
    this.#rootNamespace = rootNamespace;
    this.policies = new PolicyIndex(objects, rootNamespace);
  }

  /** The effective policy of a workload: the narrowest scope that says something wins, of two in one scope the older. */
  for(target: PolicyTarget): PeerPolicy {
    const key = JSON.stringify([target.namespace, target.labels]);
    let policy = this.#effective.get(key);
    if (policy === undefined) this.#effective.set(key, (policy = this.#compose(this.policies.for(target))));
    return policy;
  }

  #compose(policies: readonly ConfigObject<PeerAuthenticationSpec>[]): PeerPolicy {
    let [ofMesh, ofNamespace, ofWorkload]: (PeerAuthenticationSpec | undefined)[] = [];
    for (const { spec, metadata } of policies) {
      const inRoot = metadata.namespace === this.#rootNamespace;
      if (!isEmpty(spec.selector?.matchLabels)) {
        if (!inRoot) ofWorkload ??= spec;
      } else if (inRoot) ofMesh ??= spec;
      else ofNamespace ??= spec;
    }
    let mode: MutualTlsMode = 'PERMISSIVE';
    for (const spec of [ofMesh, ofNamespace, ofWorkload]) mode = modeOf(spec?.mtls?.mode) ?? mode;
    const ports = new Map<number, MutualTlsMode>();
    for (const [port, { mode: own }] of Object.entries(ofWorkload?.portLevelMtls ?? {})) {
      ports.set(Number(port), modeOf(own) ?? mode);
    }
    return { mode, ports };
  }

  /** Whether a workload takes mutual TLS at a port, which is what shows at its callers. */
  accepts(target: PolicyTarget, port: number): boolean {
    const policy = this.for(target);
    return (policy.ports.get(port) ?? policy.mode) !== 'DISABLE';
  }

  /**
   * What callers may expect of a namespace: its policy for all workloads, or the mesh's. Undefined when there is none,
   * or it says nothing.
   */
  expected(namespace: string): MutualTlsMode | undefined {
    if (!this.#ofNamespace.has(namespace)) {
      const general = (ns: string) =>
        this.policies.in(ns).find(({ spec }) => isEmpty(spec.selector?.matchLabels))?.spec.mtls?.mode;
      const own = namespace === this.#rootNamespace ? undefined : modeOf(general(namespace));
      this.#ofNamespace.set(namespace, own ?? modeOf(general(this.#rootNamespace)));
    }
    return this.#ofNamespace.get(namespace);
  }
}

function modeOf(mode: string | undefined): MutualTlsMode | undefined {
  return mode === 'DISABLE' || mode === 'PERMISSIVE' || mode === 'STRICT' ? mode : undefined;
}
