import type { ConfigObject } from '../object.ts';
import type { Report } from '../report.ts';
import { isRecord } from '../schema/index.ts';

/** Set by those who turn Gateway API objects into Istio's: they may be named and refer in ways that people's may not. */
const GATEWAY_SEMANTICS = ['internal.istio.io/gateway-semantics', 'internal.istio.io/route-semantics'];

/** Whether an object was made from one of Gateway API. */
export function hasGatewaySemantics({ metadata }: ConfigObject): boolean {
  return GATEWAY_SEMANTICS.some((name) => metadata.annotations[name] === 'gateway');
}

const DRY_RUN = 'istio.io/dry-run';
const ALWAYS_REJECT = 'internal.istio.io/webhook-always-reject';

/** What Go's strconv.ParseBool reads. */
const BOOLEANS = new Set(['1', 't', 'T', 'true', 'TRUE', 'True', '0', 'f', 'F', 'false', 'FALSE', 'False']);

/** The rules for annotations that any of Istio's kinds may have. */
export function validateAnnotations(object: ConfigObject, report: Report): void {
  const { annotations } = object.metadata;
  if (annotations[ALWAYS_REJECT] !== undefined)
    report.error('refuses the object: it is for testing', 'metadata', 'annotations', ALWAYS_REJECT);
  const dryRun = annotations[DRY_RUN];
  if (dryRun === undefined) return;
  const at = report.at('metadata', 'annotations', DRY_RUN);
  const action = isRecord(object.spec) ? (object.spec.action ?? 'ALLOW') : undefined;
  if (object.kind !== 'AuthorizationPolicy')
    at.error(`has no meaning for a ${object.kind}, only for an AuthorizationPolicy`);
  else if (action !== 'ALLOW' && action !== 'DENY') at.error(`can be used with action ALLOW or DENY, not ${action}`);
  else if (!BOOLEANS.has(dryRun)) at.error(`must be "true" or "false", not ${JSON.stringify(dryRun)}`);
}
