import { array, type Infer, int32, object } from '../../schema/index.ts';
import { targetReference, trafficSelector, workloadSelector } from '../shared/selector.ts';
import { pluginPhase, wasmFields } from '../shared/wasm.ts';

export const wasmPluginSchema = object({
  selector: workloadSelector,
  targetRef: targetReference,
  targetRefs: array(targetReference),
  ...wasmFields,
  phase: pluginPhase,
  priority: int32(),
  match: array(trafficSelector),
});
export type WasmPluginSpec = Infer<typeof wasmPluginSchema>;
