import type { FractionalPercent } from '../../api/gen/envoy/type/v3/percent_pb.ts';

/** By FractionalPercent.DenominatorType. */
export const DENOMINATORS = [100, 10_000, 1_000_000];

/** A FractionalPercent as a share of 1; one that is not set is all. */
export function fraction(percent: FractionalPercent | undefined): number {
  return percent === undefined ? 1 : percent.numerator / DENOMINATORS[percent.denominator];
}
