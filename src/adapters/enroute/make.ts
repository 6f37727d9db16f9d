import { gatewayNamespace } from '../../config/default-gateway.ts';
import type { MeshConfig } from '../../config/kinds/mesh-config/schema.ts';
import type { FieldPath } from '../../config/object.ts';
import type { MadeObject } from '../adapter.ts';
import { rateLimitClusterPatch, rateLimitFilterPatch } from '../rate-limit/service.ts';
import { type AuthorizedHost, authorizationPolicies } from './authorization.ts';
import { attachedFilters, type Filter, filterOf, GlobalSettings, gatewayFilters } from './filters.ts';
import type { Findings } from './findings.ts';
import { type Config, type EnrouteGateway, enrouteGateways } from './gateways.ts';
import { hostObjects } from './host-objects.ts';
import { type ServedHost, servedHosts } from './hosts.ts';
import { gatewayHttpFilters } from './http-filters.ts';
import { madeObject } from './made.ts';
import { type MadePatch, patchSource } from './patches.ts';
import { routesOfHost } from './routes.ts';
import { Secrets } from './secrets.ts';
import { Upstreams } from './upstreams.ts';

const DOMAIN = 'cluster.local';
/** How long a request waits for the counters of all gateways, and that it goes on without them, as EnRoute's does. */
const COUNTERS = { timeoutMs: 250, failureModeDeny: false, stage: 0 };

/** All that is made of EnRoute's objects. What does not fit together goes into `findings`. */
export function makeEnroute(config: Config, mesh: MeshConfig, findings: Findings): MadeObject[] {
  const gateways = enrouteGateways(config);
  const hosts = servedHosts(config, findings);
  if (gateways.length === 0) {
    for (const { source } of hosts) {
      findings.add(source, ['spec', 'virtualhost'], 'is served by nobody: there is no EnRoute gateway', 'Deployment');
    }
  }
  const settings = new GlobalSettings(config, findings);
  const global = gatewayFilters(config, findings);
  const secrets = new Secrets(config, findings, gateways);
  const mutualTls = settings.get('globalconfig_globals')?.config.istio_enabled ?? false;
  const upstreams = new Upstreams({ config, findings, secrets, domain: DOMAIN, mutualTls });
  const filters = gatewayHttpFilters(global.filters, settings, { findings, upstreams });
  const problem = settings.problem ?? global.problem ?? filters.problem;
  const limits = settings.get('globalconfig_ratelimit');
  const around = {
    config,
    findings,
    upstreams,
    hasLimits: limits !== undefined,
    hasExtAuthz: global.filters.some(({ type }) => type === 'http_filter_extauthz'),
  };
  const authorized: AuthorizedHost[] = [];
  const made: MadeObject[] = [];
  const patches: MadePatch[] = [...filters.patches];
  for (const host of hosts) {
    const path = ['spec', 'virtualhost', 'filters'];
    const own = attachedFilters(
      'HttpFilter',
      host.source.spec.virtualhost?.filters ?? [],
      host.source,
      path,
      config,
      findings,
    );
    const rbac = filterOf(own, 'vh_filter_rbac');
    const source = { object: host.source, path };
    const partly = rbac !== undefined && host.fqdn.startsWith('*.');
    if (rbac !== undefined && !partly) authorized.push({ fqdn: host.fqdn, filter: rbac, source });
    const unscoped = partly
      ? findings.add(host.source, path, 'have vh_filter_rbac, which is for whole names and *')
      : undefined;
    const routes = routesOfHost(host, problem ?? own.problem ?? unscoped, around);
    patches.push(...routes.patches);
    made.push(...hostObjects(host, routes.rules, gateways, { secrets, upstreams, config, findings }));
  }
  if (limits !== undefined) patches.push(...counterPatches(limits, mesh));
  patches.push(...upstreams.patches);
  const fqdns = hosts.map(({ fqdn }) => fqdn);
  for (const gateway of gateways) {
    if (hosts.length === 0) continue;
    made.push(...upstreams.madeFor(gateway), ...authorizationPolicies(authorized, fqdns, gateway));
    if (patches.length > 0) made.push(envoyFilter(gateway, patches, hosts[0]!));
  }
  return [...secrets.made, ...made];
}

function counterPatches(limits: Filter<'globalconfig_ratelimit'>, mesh: MeshConfig): MadePatch[] {
  const source = { object: limits.object, path: ['spec', 'config'] };
  return [
    { patch: rateLimitClusterPatch(gatewayNamespace(mesh), 'GATEWAY'), source },
    { patch: rateLimitFilterPatch({ domain: limits.config.domain, ...COUNTERS }, 'GATEWAY'), source },
  ];
}

function envoyFilter(
  { namespace, name, labels }: EnrouteGateway,
  patches: readonly MadePatch[],
  { source: object }: ServedHost,
): MadeObject {
  const spec = { workloadSelector: { labels }, configPatches: patches.map(({ patch }) => patch) };
  const origin = (path: FieldPath) => patchSource(patches, path);
  return madeObject('EnvoyFilter', namespace, `${name}-enroute`, { spec }, { object, path: [] }, origin);
}
