import { readProxyConfig } from '../../config/kinds/mesh-config/read.ts';
import { isRecord } from '../../config/schema/index.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { INJECTION_LABEL, injectorConfigMapName, injectorValues, PROXY_CONTAINER, REVISION_LABEL } from '../in-mesh.ts';
import type { Resource } from '../resource.ts';
import { selects } from '../selectors.ts';

/** Pods whose sidecar is of another version than a new one would be. */
export const injectionImageAnalyzer: Analyzer = {
  name: 'injection.ImageAnalyzer',
  description: 'Checks the image of auto-injection configured with the running proxies on pods',
  analyze(context) {
    const images = new Map(
      context
        .list('ConfigMap')
        .filter(({ name }) => name.startsWith('istio-sidecar-injector'))
        .map((configMap) => [configMap.name, imageOf(configMap)] as const),
    );
    if (images.size === 0) return;
    const outdated = new Map<string, string[]>();
    for (const pod of context.list('Pod')) {
      const namespace = context.find('Namespace', '', pod.namespace);
      if (namespace === undefined || pod.annotations['sidecar.istio.io/proxyImage']) continue;
      const revision = namespace.labels[REVISION_LABEL];
      if (revision === undefined && namespace.labels[INJECTION_LABEL] !== 'enabled') continue;
      const image = images.get(injectorConfigMapName(revision));
      if (image === undefined) continue;
      const variant = `${image}-${imageTypeOf(pod, context)}`;
      for (const container of [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])]) {
        if (container.name !== PROXY_CONTAINER || container.image === image || container.image === variant) continue;
        outdated.set(pod.namespace, [...(outdated.get(pod.namespace) ?? []), pod.name]);
      }
    }
    for (const [name, pods] of outdated) context.report('IST0158', context.find('Namespace', '', name)!, [pods]);
  },
};

/** The image of the sidecars that an injector adds, without a variant such as `-distroless`. */
function imageOf(configMap: Resource<'ConfigMap'>): string {
  const { global } = injectorValues(configMap) ?? {};
  if (!isRecord(global)) return '';
  const image = isRecord(global.proxy) ? String(global.proxy.image ?? '') : '';
  return image.includes('/') ? image : `${global.hub ?? ''}/${image}:${global.tag ?? ''}`;
}

/** `debug`, `distroless`, or empty: the narrowest that says so of mesh, root namespace, namespace, selector and pod. */
function imageTypeOf(pod: Resource<'Pod'>, context: AnalysisContext): string {
  const configs = context.list('ProxyConfig');
  const { rootNamespace } = context.mesh;
  const inNamespace = configs.filter(({ namespace }) => namespace === pod.namespace && namespace !== rootNamespace);
  const layers = [
    context.mesh.defaultConfig,
    ...configs.filter(({ namespace }) => namespace === rootNamespace).map(({ spec }) => spec),
    ...inNamespace.filter(({ spec }) => spec.selector === undefined).map(({ spec }) => spec),
    ...inNamespace
      .filter(({ spec: { selector } }) => selector !== undefined && selects(selector.matchLabels, pod.labels))
      .map(({ spec }) => spec),
    readProxyConfig(pod.annotations['proxy.istio.io/config'] ?? '', '').value,
  ];
  const type = layers.map((layer) => layer?.image?.imageType).findLast((imageType) => imageType);
  return !type || type === 'default' ? '' : type;
}
