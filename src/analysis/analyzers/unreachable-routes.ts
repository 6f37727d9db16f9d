import type { VirtualServiceSpec } from '../../config/kinds/virtual-service/schema.ts';
import {
  findUnreachable,
  type Unreachable,
  type UnreachableReason,
} from '../../config/kinds/virtual-service/unreachable.ts';
import type { AnalysisContext } from '../context.ts';
import type { Resource } from '../resource.ts';

const WHY: Partial<Record<UnreachableReason, string>> = {
  'second without match': 'only the last rule can have no matches',
  'after one without match': 'route without matches defined before',
  'all matches used': 'all matches used by prior rules',
};

/** Tells in Istio's words which routes of a VirtualService, and which matches of theirs, no request reaches. */
export function reportUnreachableRoutes(virtualService: Resource<'VirtualService'>, context: AnalysisContext): void {
  const spec = virtualService.spec as VirtualServiceSpec;
  for (const found of findUnreachable(spec)) {
    if (!found.knownToIstio) continue;
    const { protocol, route, match, reason, by } = found;
    const rule = ruleName(spec, protocol, route);
    if (match === undefined) {
      context.report('IST0130', virtualService, [rule, WHY[reason]!], ['spec', protocol, route]);
      continue;
    }
    const own = describe(spec, found, route, match);
    const other = by!.match === undefined ? undefined : describe(spec, found, by!.route, by!.match);
    const otherRule = ruleName(spec, protocol, by!.route);
    const parameters = [rule, own, other === undefined ? otherRule : `${other} on ${otherRule}`];
    context.report('IST0131', virtualService, parameters, ['spec', protocol, route, 'match', match]);
  }
}

/** `"name"`, or `#3` for a rule without one. */
function ruleName(spec: VirtualServiceSpec, protocol: Unreachable['protocol'], index: number): string {
  const name = protocol === 'http' ? spec.http?.[index]?.name : undefined;
  return name ? JSON.stringify(name) : `#${index}`;
}

function describe(spec: VirtualServiceSpec, { protocol, reason }: Unreachable, route: number, match: number): string {
  const condition = protocol === 'http' ? spec.http?.[route]?.match?.[match] : undefined;
  const name = condition?.name ? JSON.stringify(condition.name) : `#${match}`;
  return reason === 'longer prefix' ? `${name} of prefix ${condition?.uri?.prefix ?? ''}` : name;
}
