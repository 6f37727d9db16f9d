import { Findings } from '../../adapters/enroute/findings.ts';
import type { Config } from '../../adapters/enroute/gateways.ts';
import { makeEnroute } from '../../adapters/enroute/make.ts';
import type { KindId, SpecOf } from '../../config/kinds/index.ts';
import { type ConfigObject, formatPath } from '../../config/object.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import type { Resource } from '../resource.ts';

/** Says of EnRoute's objects what is said where they are turned into Istio's: the same function makes both. */
export const enrouteAnalyzer: Analyzer = {
  name: 'isthmus.EnrouteAnalyzer',
  description: 'Checks what objects of EnRoute name: services, secrets, filters, hosts',
  analyze(context) {
    if (context.list('GatewayHost').length === 0 && context.list('ServiceRoute').length === 0) return;
    const resources = new Map<ConfigObject, Resource>();
    const findings = new Findings();
    makeEnroute(configOf(context, resources), context.mesh, findings);
    for (const { object, path, message, missing } of findings.all) {
      const resource = resources.get(object);
      if (resource === undefined || (missing !== undefined && !context.knows(missing))) continue;
      context.report('ISTH0008', resource, [formatPath(path), message], path);
    }
  },
};

/** Resources as objects, noted under what they were made of. What was refused is looked at by others. */
function configOf(context: AnalysisContext, resources: Map<ConfigObject, Resource>): Config {
  const lists = new Map<KindId, readonly ConfigObject[]>();
  const list = <K extends KindId>(kind: K, namespace?: string): readonly ConfigObject<SpecOf<K>>[] => {
    let all = lists.get(kind);
    if (all === undefined) {
      all = context
        .list(kind)
        .filter(({ errors }) => errors.length === 0)
        .map((resource) => objectOf(resource, resources));
      lists.set(kind, all);
    }
    const typed = all as readonly ConfigObject<SpecOf<K>>[];
    return namespace === undefined ? typed : typed.filter(({ metadata }) => metadata.namespace === namespace);
  };
  return {
    list,
    get: (kind, namespace, name) => list(kind, namespace).find(({ metadata }) => metadata.name === name),
  };
}

function objectOf(resource: Resource, resources: Map<ConfigObject, Resource>): ConfigObject {
  const { kind, namespace, name, labels, annotations, spec } = resource;
  const object: ConfigObject = {
    apiVersion: '',
    group: '',
    kind,
    metadata: { name, namespace, labels, annotations, creationTimestamp: 0 },
    spec,
    raw: {},
    locate: (path) => resource.find(path) ?? resource.at ?? { file: '' },
  };
  resources.set(object, resource);
  return object;
}
