import type { SpecOf } from '../../config/kinds/index.ts';
import { DEFAULT_MESH_CONFIG } from '../../config/kinds/mesh-config/defaults.ts';
import type { PolicySpec } from '../../config/kinds/policy/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { Adapter, MadeObject } from '../adapter.ts';
import { originsOf } from './origins.ts';
import { type SelectedWorkloads, selectTarget } from './targets.ts';

type Mode = NonNullable<NonNullable<SpecOf<'PeerAuthentication'>['mtls']>['mode']>;

/**
 * Policy and MeshPolicy of authentication.istio.io/v1alpha1 as PeerAuthentication, RequestAuthentication and
 * AuthorizationPolicy. What a policy of old asked of requests was one thing, its tokens and that there is one; it becomes
 * the two that Istio has had since 1.5: rules of tokens, and a refusal of requests without.
 */
export const legacyAuthenticationAdapter: Adapter = {
  inputs: (config, mesh) => [
    config.list('Policy'),
    config.list('MeshPolicy'),
    config.list('Service'),
    config.list('Pod'),
    mesh.rootNamespace,
  ],
  make(config, mesh, warn) {
    const made: MadeObject[] = [];
    const rootNamespace = mesh.rootNamespace ?? DEFAULT_MESH_CONFIG.rootNamespace;
    for (const policy of config.list('MeshPolicy')) {
      made.push(...authenticationOf(policy, rootNamespace, policy.metadata.name, undefined));
    }
    for (const policy of config.list('Policy')) {
      const { namespace, name } = policy.metadata;
      const targets = policy.spec.targets ?? [];
      if (targets.length === 0) made.push(...authenticationOf(policy, namespace, name, undefined));
      for (const [i, target] of targets.entries()) {
        const selected = selectTarget(config, namespace, target);
        if (typeof selected === 'string') warn(policy, ['spec', 'targets', i, 'name'], selected);
        else made.push(...authenticationOf(policy, namespace, `${name}-${target.name}`, selected));
      }
    }
    return made;
  },
};

function authenticationOf(
  policy: ConfigObject<PolicySpec>,
  namespace: string,
  name: string,
  selected: SelectedWorkloads | undefined,
): MadeObject[] {
  const { spec } = policy;
  const mtls = { mode: modeOf(spec) };
  const selector = selected === undefined ? {} : { selector: { matchLabels: selected.labels } };
  const { ports } = selected ?? {};
  if (ports?.length === 0) return [];
  const peer: SpecOf<'PeerAuthentication'> =
    ports === undefined
      ? { ...selector, mtls }
      : // Of the other ports the policy says nothing: a less specific one does.
        { ...selector, portLevelMtls: Object.fromEntries(ports.map((port) => [String(port), mtls])) };
  const make = (kind: string, made: object): MadeObject => ({
    raw: {
      apiVersion: 'security.istio.io/v1',
      kind,
      metadata: { name, namespace, creationTimestamp: new Date(policy.metadata.creationTimestamp).toISOString() },
      spec: made,
    },
    origin: () => ({ object: policy, path: ['spec'] }),
  });
  const objects = [make('PeerAuthentication', peer)];
  const origins = originsOf(spec, ports);
  if (origins === undefined) return objects;
  objects.push(make('RequestAuthentication', { ...selector, jwtRules: origins.jwtRules }));
  if (origins.refused !== undefined) {
    objects.push(make('AuthorizationPolicy', { ...selector, action: 'DENY', rules: origins.refused }));
  }
  return objects;
}

/** Mutual TLS is asked for unless a policy names no peers; a method without a mode is STRICT. */
function modeOf({ peers = [], peerIsOptional }: PolicySpec): Mode {
  const [method] = peers;
  if (method === undefined) return 'DISABLE';
  const { mode = 'STRICT', allowTls } = method.mtls ?? {};
  return peerIsOptional || allowTls ? 'PERMISSIVE' : mode;
}
