import type { RouteAction } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { RouteConfiguration } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';

/** Adds an error for every cluster that a route names and that there is none of (`validate_clusters`). */
export function checkClusters(
  { virtualHosts }: RouteConfiguration,
  exists: (name: string) => boolean,
  errors: ConfigErrors,
): void {
  virtualHosts.forEach(({ routes }, i) => {
    routes.forEach(({ action }, j) => {
      if (action.case !== 'route') return;
      checkAction(action.value, exists, errors.at('virtual_hosts').at(i).at('routes').at(j).at('route'));
    });
  });
}

function checkAction(proto: RouteAction, exists: (name: string) => boolean, errors: ConfigErrors): void {
  const check = (name: string, at: ConfigErrors) => {
    if (name !== '' && !exists(name)) at.add('', `there is no cluster ${JSON.stringify(name)}`);
  };
  const { clusterSpecifier: specifier } = proto;
  if (specifier.case === 'cluster') check(specifier.value, errors.at('cluster'));
  if (specifier.case === 'weightedClusters') {
    const at = errors.at('weighted_clusters').at('clusters');
    specifier.value.clusters.forEach(({ name }, i) => check(name, at.at(i).at('name')));
  }
  proto.requestMirrorPolicies.forEach(({ cluster }, i) => {
    check(cluster, errors.at('request_mirror_policies').at(i).at('cluster'));
  });
}
