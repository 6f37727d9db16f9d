import type { SecretSpec } from '../../config/kinds/secret/schema.ts';
import type { ConfigObject, FieldPath } from '../../config/object.ts';
import type { MadeObject } from '../adapter.ts';
import type { Findings } from './findings.ts';
import type { Config, EnrouteGateway } from './gateways.ts';
import { madeObject, type Source } from './made.ts';

/** Copies of the secrets that EnRoute's objects name, where gateways may have them: in their own namespaces. */
export class Secrets {
  readonly #config: Config;
  readonly #findings: Findings;
  readonly #gateways: readonly EnrouteGateway[];
  readonly #copies = new Map<string, MadeObject>();

  constructor(config: Config, findings: Findings, gateways: readonly EnrouteGateway[]) {
    this.#config = config;
    this.#findings = findings;
    this.#gateways = gateways;
  }

  get made(): readonly MadeObject[] {
    return [...this.#copies.values()];
  }

  /** The name of the copy of a certificate with its key; undefined if there is none that may be used. */
  certificate(reference: string, { object, path }: Source): string | undefined {
    const secret = this.#find(reference, object, path, ['tls.crt', 'tls.key']);
    return secret && this.#copy('certificate', secret, { object, path }, ['tls.crt', 'tls.key']);
  }

  /** The name of the copy of an authority's certificate, with a certificate for a client beside it if one is named. */
  upstream(authority: string, client: string | undefined, { object, path }: Source): string | undefined {
    const roots = this.#find(authority, object, path, ['ca.crt']);
    if (roots === undefined) return undefined;
    if (client === undefined) return this.#copy('roots', roots, { object, path }, ['ca.crt']);
    const own = this.#find(client, object, path, ['tls.crt', 'tls.key']);
    if (own === undefined) return undefined;
    const name = `${nameOf('roots', roots)}-${own.metadata.namespace}-${own.metadata.name}`;
    const values = { ...valuesOf(roots, ['ca.crt']), ...valuesOf(own, ['tls.crt', 'tls.key']) };
    return this.#add(name, values, { object, path });
  }

  #find(
    reference: string,
    object: ConfigObject,
    path: FieldPath,
    keys: readonly string[],
  ): ConfigObject<SecretSpec> | undefined {
    const slash = reference.indexOf('/');
    const own = object.metadata.namespace;
    const namespace = slash === -1 ? own : reference.slice(0, slash);
    const name = reference.slice(slash + 1);
    const secret = this.#config.get('Secret', namespace, name);
    if (namespace !== own && !this.#isDelegated(namespace, name, own)) {
      const message = `names secret ${namespace}/${name}, which no TLSCertificateDelegation gives to namespace ${own}`;
      this.#findings.add(object, path, message);
      return undefined;
    }
    if (secret === undefined) {
      this.#findings.add(object, path, `names secret ${namespace}/${name}, which is not there`, 'Secret');
      return undefined;
    }
    const lacking = keys.filter((key) => !secret.spec.data?.[key] && !secret.spec.stringData?.[key]);
    if (lacking.length === 0) return secret;
    this.#findings.add(object, path, `names secret ${namespace}/${name}, which has no ${lacking.join(' and no ')}`);
    return undefined;
  }

  #isDelegated(namespace: string, secret: string, to: string): boolean {
    return this.#config
      .list('TLSCertificateDelegation', namespace)
      .flatMap(({ spec }) => spec.delegations)
      .some(
        ({ secretName, targetNamespaces }) =>
          secretName === secret && targetNamespaces.some((target) => target === to || target === '*'),
      );
  }

  #copy(what: string, secret: ConfigObject<SecretSpec>, source: Source, keys: readonly string[]): string {
    return this.#add(nameOf(what, secret), valuesOf(secret, keys), source);
  }

  #add(name: string, data: Readonly<Record<string, string>>, source: Source): string {
    const type = data['tls.key'] === undefined ? 'Opaque' : 'kubernetes.io/tls';
    for (const namespace of new Set(this.#gateways.map((gateway) => gateway.namespace))) {
      this.#copies.set(`${namespace}/${name}`, madeObject('Secret', namespace, name, { type, data }, source));
    }
    return name;
  }
}

function nameOf(what: string, { metadata: { namespace, name } }: ConfigObject): string {
  return `enroute-${what}-${namespace}-${name}`;
}

/** In base64. */
function valuesOf({ spec }: ConfigObject<SecretSpec>, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    keys.map((key) => {
      const text = spec.stringData?.[key];
      return [key, text === undefined ? (spec.data?.[key] ?? '') : Buffer.from(text).toString('base64')];
    }),
  );
}
