import type { AccessLogging, Metrics, TelemetrySpec, Tracing } from '../../config/kinds/telemetry/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { isEmpty } from '../../registry/labels.ts';
import { perObject } from '../../registry/reuse.ts';
import { Memo } from '../memo.ts';
import type { ProxyView } from '../proxy-view.ts';

/** The Telemetry objects that apply to a proxy together: at most one each of the mesh and its namespace, and all of its workload. */
export interface Telemetry {
  /** In this order, so that what comes later overrides what comes before. */
  readonly objects: readonly ConfigObject<TelemetrySpec>[];
  /** One list for each object. */
  readonly accessLogging: readonly (readonly AccessLogging[])[];
  readonly metrics: readonly Metrics[];
  readonly tracing: readonly Tracing[];
}

const found = new Memo<Telemetry>();

/** The same object as long as no Telemetry object for the proxy changes. */
export function telemetryOf({ indexes, labels, mesh, namespace }: ProxyView): Telemetry {
  const candidates = indexes.telemetry.for({ namespace, labels });
  const inRoot = (object: ConfigObject) => object.metadata.namespace === mesh.rootNamespace;
  const ofMesh = candidates.find((object) => inRoot(object) && isGeneral(object));
  const ofNamespace = candidates.find((object) => !inRoot(object) && isGeneral(object));
  const ofWorkload = candidates.filter((object) => object.metadata.namespace === namespace && !isGeneral(object));
  const objects = [ofMesh, ofNamespace, ...ofWorkload].filter((object) => object !== undefined);
  return found.get(objects, '', () => ({
    objects,
    accessLogging: objects.map(({ spec }) => spec.accessLogging ?? []),
    metrics: objects.flatMap(({ spec }) => spec.metrics ?? []),
    tracing: objects.flatMap(({ spec }) => spec.tracing ?? []),
  }));
}

/** Whether it is for all workloads. */
const isGeneral = perObject(
  ({ spec }: ConfigObject<TelemetrySpec>) =>
    isEmpty(spec.selector?.matchLabels) && spec.targetRef === undefined && !spec.targetRefs?.length,
);

/** Which side of a connection a proxy's listener is on (WorkloadMode); gateways call. */
export type Side = 'CLIENT' | 'SERVER';

/** Whether a `mode` of Telemetry means this side; none means both. */
export function isForSide(mode: string | undefined, side: Side): boolean {
  return mode !== 'CLIENT' && mode !== 'SERVER' ? true : mode === side;
}

/** Names of the providers that are referred to. */
export function providerNames(providers: readonly { readonly name?: string | undefined }[] | undefined): string[] {
  return (providers ?? []).map(({ name }) => name ?? '');
}
