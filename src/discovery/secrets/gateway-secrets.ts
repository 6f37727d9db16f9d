import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { formatLocation, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { encodeSecret } from '../../ca/content/encode.ts';
import {
  asksForCa,
  CA_SUFFIX,
  type CredentialObject,
  type CredentialReference,
  certificateSecret,
  parseCredentialReference,
  validationSecret,
} from '../../ca/content/kubernetes-secrets.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';
import { type Cell, TypeUrl } from '../../translate/cell.ts';
import type { MeshSnapshot } from '../../translate/mesh.ts';
import { encodeResource } from '../../xds/server/resource-json.ts';
import type { ConnectedProxy } from '../proxies/connected-proxy.ts';
import type { SecretView } from '../proxies/proxy-view.ts';
import type { ProxySecrets } from '../push/scheduler.ts';

type Source = ConfigObject & { readonly kind: string };

export interface GatewaySecretsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** A secret could not be used, or not by the one that asked for it. */
  readonly onError: () => void;
}

/**
 * The secrets that `credentialName` of a Gateway refers to. A gateway whose identity is proven gets those of the
 * namespace of its identity, as with istiod: not of the namespace that it says it is in, and nothing over plaintext.
 */
export class GatewaySecrets implements ProxySecrets {
  readonly #options: GatewaySecretsOptions;
  /** What was made of an object for a resource name, or nothing if it cannot be used. */
  readonly #made = new WeakMap<ConfigObject, Map<string, Cell | undefined>>();
  readonly #complained = new WeakSet<ConnectedProxy>();

  constructor(options: GatewaySecretsOptions) {
    this.#options = options;
  }

  view(proxy: ConnectedProxy, snapshot: MeshSnapshot): SecretView {
    return {
      get: (resource) => {
        const reference = parseCredentialReference(resource);
        if (!reference) return undefined;
        const source = this.#source(proxy, snapshot.config, reference);
        return source && this.#cell(resource, reference, source);
      },
    };
  }

  affects(proxy: ConnectedProxy, before: MeshSnapshot, after: MeshSnapshot): boolean {
    const followed = proxy.stream.status().find(({ typeUrl }) => typeUrl === TypeUrl.Secret);
    for (const resource of followed?.names ?? []) {
      const reference = parseCredentialReference(resource);
      if (!reference) continue;
      const old = this.#source(proxy, before.config, reference);
      if (old !== this.#source(proxy, after.config, reference)) return true;
    }
    return false;
  }

  /** The object that a reference means to this proxy, if it may have it. */
  #source(proxy: ConnectedProxy, config: ConfigSnapshot, reference: CredentialReference): Source | undefined {
    const namespace = this.#namespaceOf(proxy);
    if (namespace === undefined || (reference.namespace ?? namespace) !== namespace) return undefined;
    const find = (name: string): Source | undefined =>
      reference.kind === 'Secret' ? config.get('Secret', namespace, name) : config.get('ConfigMap', namespace, name);
    if (!reference.name.endsWith(CA_SUFFIX)) return find(reference.name);
    return find(reference.name) ?? find(reference.name.slice(0, -CA_SUFFIX.length));
  }

  #namespaceOf(proxy: ConnectedProxy): string | undefined {
    if (proxy.identity && proxy.node.type === 'router') return proxy.identity.namespace;
    if (!this.#complained.has(proxy)) {
      this.#complained.add(proxy);
      this.#options.onError();
      const why = proxy.identity ? 'is not a gateway' : 'has no proven identity; it must use the secured port';
      this.#options.log.warn(`proxy ${proxy.id} is not authorized to receive credentials: it ${why}`);
    }
    return undefined;
  }

  #cell(resource: string, reference: CredentialReference, source: Source): Cell | undefined {
    let byName = this.#made.get(source);
    if (!byName) this.#made.set(source, (byName = new Map()));
    if (!byName.has(resource)) byName.set(resource, this.#make(resource, reference, source));
    return byName.get(resource);
  }

  #make(resource: string, reference: CredentialReference, source: Source): Cell | undefined {
    const object = credentialObject(source);
    const now = this.#options.clock.now();
    const origin = [source.locate([])];
    try {
      const content = asksForCa(reference, object)
        ? validationSecret(resource, object, now)
        : certificateSecret(resource, object, now);
      const bytes = encodeResource(encodeSecret(content));
      const version = createHash('sha256').update(bytes).digest('base64url').slice(0, 16);
      return { type: TypeUrl.Secret, name: resource, bytes, version, origin };
    } catch (error) {
      this.#options.onError();
      this.#options.log.warn(`${formatLocation(origin[0])}: ${messageOf(error)}`);
      return undefined;
    }
  }
}

function credentialObject(source: Source): CredentialObject {
  const spec = source.spec as Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;
  const isSecret = source.kind === 'Secret';
  const encoded = Object.entries((isSecret ? spec.data : spec.binaryData) ?? {});
  const plain = Object.entries((isSecret ? spec.stringData : spec.data) ?? {});
  return {
    kind: isSecret ? 'Secret' : 'ConfigMap',
    namespace: source.metadata.namespace,
    name: source.metadata.name,
    data: new Map([
      ...encoded.map(([key, value]): [string, Uint8Array] => [key, Buffer.from(value, 'base64')]),
      ...plain.map(([key, value]): [string, Uint8Array] => [key, Buffer.from(value)]),
    ]),
  };
}
