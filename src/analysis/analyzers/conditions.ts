import { isRecord } from '../../config/schema/index.ts';
import type { Analyzer } from '../analyzer.ts';

/** Conditions of which `False` means that something is wrong; any other means nothing to a mesh. */
const CONDITIONS = {
  Service: ['istio.io/WaypointBound'],
  ServiceEntry: ['istio.io/WaypointBound'],
  AuthorizationPolicy: ['ZtunnelAccepted', 'WaypointAccepted'],
  KubernetesGateway: ['Accepted', 'Programmed', 'ResolvedRefs'],
  HTTPRoute: ['Accepted', 'Programmed', 'ResolvedRefs'],
  GRPCRoute: ['Accepted', 'Programmed', 'ResolvedRefs'],
} as const;

/** Resources of which a control plane has said that they do not work. */
export const conditionsAnalyzer: Analyzer = {
  name: 'conditions.ConditionAnalyzer',
  description: 'Checks for negative status conditions on resources',
  analyze(context) {
    for (const [kind, types] of Object.entries(CONDITIONS) as [keyof typeof CONDITIONS, readonly string[]][]) {
      for (const resource of context.list(kind)) {
        for (const { type, status, reason, message } of conditionsOf(resource.status)) {
          const isNegative = types.includes(type) && status === 'False';
          // Accepted, but not for all of its targets.
          const isPartial =
            kind === 'AuthorizationPolicy' && type === 'WaypointAccepted' && reason === 'PartiallyInvalid';
          if (isNegative || isPartial) context.report('IST0171', resource, [type, reason, message]);
        }
      }
    }
  },
};

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** The conditions of a status, or of the parents in the status of a route. */
function conditionsOf(status: unknown): Condition[] {
  if (!isRecord(status)) return [];
  const holders = Array.isArray(status.parents) ? status.parents.filter(isRecord) : [status];
  return holders.flatMap(({ conditions }) => {
    if (!Array.isArray(conditions)) return [];
    return conditions.filter(isRecord).map(({ type, status: state, reason, message }) => ({
      type: textOf(type),
      status: textOf(state),
      reason: textOf(reason),
      message: textOf(message),
    }));
  });
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
