import type { ConfigObject, FieldPath } from '../../config/object.ts';
import type { MadeObject } from '../adapter.ts';

/** A field of an object that somebody wrote. */
export interface Source {
  readonly object: ConfigObject;
  readonly path: FieldPath;
}

const VERSIONS: Readonly<Record<string, string>> = {
  Secret: 'v1',
  EnvoyFilter: 'networking.istio.io/v1alpha3',
  AuthorizationPolicy: 'security.istio.io/v1',
};

/** An object of Istio's that is as old as what it is made of. `origin` tells of its fields, as far as they have one of their own. */
export function madeObject(
  kind: string,
  namespace: string,
  name: string,
  body: object,
  source: Source,
  origin: (path: FieldPath) => Source | undefined = () => undefined,
): MadeObject {
  const created = source.object.metadata.creationTimestamp;
  const age = created > 0 ? { creationTimestamp: new Date(created).toISOString() } : {};
  return {
    raw: {
      apiVersion: VERSIONS[kind] ?? 'networking.istio.io/v1',
      kind,
      metadata: { name, namespace, ...age },
      ...body,
    },
    origin: (path) => origin(path) ?? source,
  };
}
