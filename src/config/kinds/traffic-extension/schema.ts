import { array, enumOf, type Infer, int32, object, string } from '../../schema/index.ts';
import { targetReference, trafficSelector, workloadSelector } from '../shared/selector.ts';
import { wasm } from '../shared/wasm.ts';

export const trafficExtensionSchema = object(
  {
    selector: workloadSelector,
    targetRefs: array(targetReference),
    phase: enumOf('UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS'),
    priority: int32(),
    match: array(trafficSelector),
    wasm,
    lua: object({ inlineCode: string() }),
  },
  { oneOf: [['wasm', 'lua']] },
);
export type TrafficExtensionSpec = Infer<typeof trafficExtensionSchema>;
