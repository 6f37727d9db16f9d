import { type MetricDefinition, MetricType } from '../../../api/gen/stats/config_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { Expressions } from './expressions.ts';
import { type IstioMetrics, METRICS } from './metrics.ts';
import type { Overrides } from './overrides.ts';

interface CustomMetric {
  readonly name: string;
  readonly type: MetricType;
  /** Index of the expression that says how much. */
  readonly amount: number;
}

/** Metrics that a configuration defines (`definitions`); their labels are the dimensions that it gives them. */
export class CustomMetrics {
  readonly #metrics: readonly CustomMetric[];

  constructor(protos: readonly MetricDefinition[], expressions: Expressions, errors: ConfigErrors) {
    this.#metrics = protos.flatMap(({ name, value, type }, i): CustomMetric[] => {
      if (METRICS.has(name)) errors.at(i).add('name', `${name} is a standard metric`);
      const amount = expressions.add(value, errors.at(i).at('value'));
      return amount === undefined ? [] : [{ name, type, amount }];
    });
  }

  get names(): string[] {
    return this.#metrics.map(({ name }) => name);
  }

  /** Counts a stream that is over. */
  record(metrics: IstioMetrics, overrides: Overrides, values: readonly string[]): void {
    for (const { name, type, amount } of this.#metrics) {
      const labels = overrides.apply(name, [], values);
      const text = values[amount];
      const value = /^\d+$/.test(text) ? Number(text) : 0;
      if (type === MetricType.HISTOGRAM) metrics.histogram(name, labels).value.record(value);
      else if (type === MetricType.GAUGE) metrics.gauge(name, labels).value = value;
      else metrics.counter(name, labels).value += value;
    }
  }
}
