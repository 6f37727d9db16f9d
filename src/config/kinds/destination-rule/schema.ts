import { array, type Infer, map, object, required, string } from '../../schema/index.ts';
import { workloadSelector } from '../shared/selector.ts';
import { trafficPolicy } from '../shared/traffic-policy.ts';

const subset = object({ name: required(string()), labels: map(string()), trafficPolicy });
export type Subset = Infer<typeof subset>;

export const destinationRuleSchema = object({
  host: required(string()),
  trafficPolicy,
  subsets: array(subset),
  exportTo: array(string()),
  workloadSelector,
});
export type DestinationRuleSpec = Infer<typeof destinationRuleSchema>;
