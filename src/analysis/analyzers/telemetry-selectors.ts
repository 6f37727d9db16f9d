import type { Analyzer } from '../analyzer.ts';
import type { Resource } from '../resource.ts';
import { firstLabel, formatSelector, selects } from '../selectors.ts';

/** Telemetries that are for no workload, and workloads that several are for. */
export const telemetrySelectorsAnalyzer: Analyzer = {
  name: 'telemetry.SelectorAnalyzer',
  description:
    "Validates that telemetries that define a selector match at least one pod, and that there aren't multiple telemetry resources that select overlapping pods",
  analyze(context) {
    const selecting = context
      .list('Telemetry')
      .filter(({ spec }) => Object.keys(spec.selector?.matchLabels ?? {}).length > 0);
    const used = new Set<Resource>();
    for (const { namespace, name, labels } of context.workloads) {
      const selected = selecting.filter(
        (telemetry) => telemetry.namespace === namespace && selects(telemetry.spec.selector?.matchLabels, labels),
      );
      for (const telemetry of selected) {
        used.add(telemetry);
        if (selected.length < 2) continue;
        const parameters = [selected.map((other) => other.name).sort(), namespace, name];
        context.report('IST0159', telemetry, parameters, ['metadata', 'name']);
      }
    }
    if (!context.knowsWorkloads) return;
    for (const telemetry of selecting) {
      if (used.has(telemetry)) continue;
      const labels = telemetry.spec.selector?.matchLabels;
      const place = ['spec', 'selector', 'matchLabels', firstLabel(labels)];
      context.report('IST0101', telemetry, ['selector', formatSelector(labels)], place);
    }
  },
};

/** Of telemetries that are for a whole namespace there may be one. */
export const telemetryDefaultsAnalyzer: Analyzer = {
  name: 'telemetry.DefaultSelectorAnalyzer',
  description: "Validates that there aren't multiple telemetry resources that have no selector",
  analyze(context) {
    const defaults = context.list('Telemetry').filter(({ spec: { selector, targetRef, targetRefs } }) => {
      return selector === undefined && targetRef === undefined && (targetRefs?.length ?? 0) === 0;
    });
    for (const [namespace, group] of Map.groupBy(defaults, (telemetry) => telemetry.namespace)) {
      if (group.length < 2) continue;
      const names = group.map(({ name }) => name).sort();
      for (const telemetry of group) context.report('IST0160', telemetry, [names, namespace]);
    }
  },
};
