import type { Analyzer } from '../analyzer.ts';

/** VirtualServices without hosts: only what another one delegates to them reaches their routes. */
export const unusedDelegatesAnalyzer: Analyzer = {
  name: 'isthmus.UnusedDelegateAnalyzer',
  description: 'Checks that virtual services without hosts are delegates of others',
  analyze(context) {
    const virtualServices = context.list('VirtualService');
    const delegates = new Set(
      virtualServices.flatMap(({ namespace, spec }) =>
        (spec.http ?? []).flatMap(({ delegate }) =>
          delegate === undefined ? [] : [`${delegate.namespace || namespace}/${delegate.name}`],
        ),
      ),
    );
    for (const virtualService of virtualServices) {
      const { namespace, name, spec, errors } = virtualService;
      if ((spec.hosts ?? []).length > 0 || errors.length > 0 || delegates.has(`${namespace}/${name}`)) continue;
      // Its roots may be in other files.
      if (context.knowsAll) context.report('ISTH0007', virtualService, [], ['spec']);
    }
  },
};
