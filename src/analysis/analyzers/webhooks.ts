import type { LabelSelector } from '../../config/kinds/shared/selector.ts';
import { matchesLabelSelector } from '../../config/labels.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Webhook } from '../cluster-kinds.ts';
import type { AnalysisContext } from '../context.ts';
import { INJECT_LABEL, INJECTION_LABEL, REVISION_LABEL } from '../in-mesh.ts';
import type { Loose, Resource } from '../resource.ts';
import { fullName } from '../resource.ts';
import type { Labels } from '../selectors.ts';

type Configuration = Resource<'MutatingWebhookConfiguration'>;

interface Injector {
  readonly configuration: Configuration;
  readonly webhook: Loose<Webhook>;
  readonly index: number;
  readonly name: string;
}

/** Injectors that see the same pod twice, or whose control plane does not exist. */
export const webhooksAnalyzer: Analyzer = {
  name: 'webhook.Analyzer',
  description: 'Checks the validity of Istio webhooks',
  analyze(context) {
    const configurations = context
      .list('MutatingWebhookConfiguration')
      .filter(
        (configuration) =>
          revisionsOf(configuration).length > 0 ||
          (configuration.spec.webhooks ?? []).some(({ name = '' }) => name.endsWith('istio.io')),
      );
    const injectors = configurations.flatMap((configuration) =>
      (configuration.spec.webhooks ?? []).map((webhook, index) => ({
        configuration,
        webhook,
        index,
        name: `${configuration.name}/${webhook.name ?? ''}`,
      })),
    );
    const revisions = [...new Set(configurations.flatMap(revisionsOf))];
    reportOverlaps(injectors, revisions, context);
    reportMissingServices(injectors, context);
  },
};

/** Tries every combination of labels that injectors look at: at most one may take a pod. */
function reportOverlaps(injectors: readonly Injector[], revisions: readonly string[], context: AnalysisContext): void {
  const labelSets = (label: string, values: readonly string[]): Labels[] => {
    const bases: Labels[] = [{}, ...values.map((value) => ({ [label]: value }))];
    return [
      ...bases,
      ...revisions.flatMap((revision) => bases.map((base) => ({ ...base, [REVISION_LABEL]: revision }))),
    ];
  };
  const namespaces = labelSets(INJECTION_LABEL, ['enabled', 'disabled']);
  const pods = labelSets(INJECT_LABEL, ['true', 'false']);
  for (const namespace of namespaces) {
    for (const pod of pods) {
      const taking = injectors.filter(
        ({ webhook }) =>
          matchesLabelSelector(webhook.namespaceSelector as LabelSelector | undefined, namespace) &&
          matchesLabelSelector(webhook.objectSelector as LabelSelector | undefined, pod),
      );
      const names = [...new Set(taking.map(({ name }) => name))].sort();
      if (names.length < 2) continue;
      for (const { configuration, index, name } of taking) {
        const others = names.filter((other) => other !== name).join(' ');
        const text = `Webhook overlaps with others: [${others}]. This may cause injection to occur twice.`;
        context.report('IST0139', configuration, [text], ['webhooks', index, 'name']);
      }
    }
  }
}

function reportMissingServices(injectors: readonly Injector[], context: AnalysisContext): void {
  if (!context.knows('Service')) return;
  for (const { configuration, webhook, index } of injectors) {
    const service = webhook.clientConfig?.service;
    if (service === undefined) continue;
    const { namespace = '', name = '' } = service;
    if (context.find('Service', namespace, name) !== undefined) continue;
    const text = `Injector refers to a control plane service that does not exist: ${fullName({ namespace, name })}.`;
    context.report('IST0139', configuration, [text], ['webhooks', index, 'clientConfig', 'service', 'name']);
  }
}

/** The revisions of control planes that a configuration speaks of. */
function revisionsOf({ labels, spec }: Configuration): string[] {
  const selectors = (spec.webhooks ?? []).flatMap((hook) => [hook.namespaceSelector, hook.objectSelector]);
  const wanted = selectors.flatMap((selector) => [
    ...(selector?.matchLabels?.[REVISION_LABEL] === undefined ? [] : [selector.matchLabels[REVISION_LABEL]]),
    ...(selector?.matchExpressions ?? []).flatMap(({ key, values = [] }) => (key === REVISION_LABEL ? values : [])),
  ]);
  return [...new Set([...(labels[REVISION_LABEL] === undefined ? [] : [labels[REVISION_LABEL]!]), ...wanted])];
}
