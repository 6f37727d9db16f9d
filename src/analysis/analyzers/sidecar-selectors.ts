import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { isAmbientNamespace, isAmbientWorkload } from '../in-mesh.ts';
import { fullName, type Resource } from '../resource.ts';
import { firstLabel, formatSelector, selects } from '../selectors.ts';

type Sidecars = readonly Resource<'Sidecar'>[];

/** Sidecars that are for no workload, and workloads that several are for. */
export const sidecarSelectorsAnalyzer: Analyzer = {
  name: 'sidecar.SelectorAnalyzer',
  description:
    "Validates that sidecars that define a workload selector match at least one pod, and that there aren't multiple sidecar resources that select overlapping pods",
  analyze(context) {
    const ineffective = new Set<string>();
    const reportIneffective = (sidecar: Resource<'Sidecar'>, reason: string) => {
      if (ineffective.has(fullName(sidecar))) return;
      ineffective.add(fullName(sidecar));
      context.report('IST0167', sidecar, [reason]);
    };
    const all = context.list('Sidecar');
    const selecting = all.filter(({ spec }) => Object.keys(spec.workloadSelector?.labels ?? {}).length > 0);
    checkSelected(selecting, context, reportIneffective);
    checkNamespaces(
      all.filter((sidecar) => !selecting.includes(sidecar)),
      context,
      reportIneffective,
    );
  },
};

type ReportIneffective = (sidecar: Resource<'Sidecar'>, reason: string) => void;

function checkSelected(sidecars: Sidecars, context: AnalysisContext, reportIneffective: ReportIneffective): void {
  const used = new Set<Resource<'Sidecar'>>();
  for (const workload of context.workloads) {
    const selected = sidecars.filter(
      ({ namespace, spec }) =>
        namespace === workload.namespace && selects(spec.workloadSelector?.labels, workload.labels),
    );
    for (const sidecar of selected) {
      used.add(sidecar);
      if (isAmbientWorkload(workload)) {
        reportIneffective(sidecar, 'selected workload is in ambient mode, the policy has no impact');
      } else if (selected.length > 1) {
        const parameters = [selected.map(({ name }) => name), workload.namespace, workload.name];
        context.report('IST0110', sidecar, parameters, ['metadata', 'name']);
      }
    }
  }
  if (!context.knowsWorkloads) return;
  for (const sidecar of sidecars) {
    if (used.has(sidecar)) continue;
    const labels = sidecar.spec.workloadSelector?.labels;
    const place = ['spec', 'workloadSelector', 'labels', firstLabel(labels)];
    context.report('IST0101', sidecar, ['selector', formatSelector(labels)], place);
  }
}

/** Of sidecars that are for a whole namespace there may be one. */
function checkNamespaces(sidecars: Sidecars, context: AnalysisContext, reportIneffective: ReportIneffective): void {
  for (const [namespace, group] of Map.groupBy(sidecars, (sidecar) => sidecar.namespace)) {
    const resource = context.find('Namespace', '', namespace);
    const isAmbient = resource !== undefined && isAmbientNamespace(resource);
    for (const sidecar of group) {
      if (isAmbient) reportIneffective(sidecar, 'namespace is in ambient mode, the policy has no impact');
      else if (group.length > 1) context.report('IST0111', sidecar, [group.map(({ name }) => name), namespace]);
    }
  }
}
