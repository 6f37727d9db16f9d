import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  FractionalPercent_DenominatorType,
  type FractionalPercentSchema,
} from '../../api/gen/envoy/type/v3/percent_pb.ts';

type Fraction = MessageInitShape<typeof FractionalPercentSchema>;

/** A percentage to four decimals, as Envoy counts them. */
export function fraction(percent: number): Fraction {
  return { numerator: Math.trunc(percent * 10_000), denominator: FractionalPercent_DenominatorType.MILLION };
}

/** A FractionalPercent of whole percents. */
export function wholeFraction(percent: number): Fraction {
  return { numerator: percent, denominator: FractionalPercent_DenominatorType.HUNDRED };
}
