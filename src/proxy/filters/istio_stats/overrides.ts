import type { MetricConfig } from '../../../api/gen/stats/config_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { SeriesLabels } from '../../observe/series-family.ts';
import type { Expressions } from './expressions.ts';
import { LABELS, METRICS } from './metrics.ts';

/** What a configuration changes about the labels of one metric. Expressions go by their index. */
interface LabelChanges {
  readonly removed: Set<string>;
  readonly replaced: Map<string, number>;
  readonly added: Map<string, number>;
}

/** `metrics` of the configuration, compiled. */
export class Overrides {
  readonly #dropped = new Set<string>();
  readonly #changes = new Map<string, LabelChanges>();

  constructor(
    protos: readonly MetricConfig[],
    custom: readonly string[],
    expressions: Pick<Expressions, 'add'>,
    errors: ConfigErrors,
  ) {
    const known = new Set([...METRICS, ...custom]);
    protos.forEach(({ name, drop, tagsToRemove, dimensions }, i) => {
      const targets = name === '' ? [...known] : known.has(name) ? [name] : [];
      if (drop) {
        for (const target of targets) if (METRICS.has(target)) this.#dropped.add(target);
        return;
      }
      for (const label of tagsToRemove) {
        for (const target of targets) this.#of(target).removed.add(label);
      }
      for (const label of Object.keys(dimensions).sort()) {
        const index = expressions.add(dimensions[label], errors.at(i).at(`dimensions["${label}"]`));
        if (index === undefined) continue;
        for (const target of targets) {
          const changes = this.#of(target);
          const standard = METRICS.has(target) && LABELS.has(label);
          changes.removed.delete(label);
          (standard ? changes.replaced : changes.added).set(label, index);
        }
      }
    });
  }

  #of(metric: string): LabelChanges {
    let changes = this.#changes.get(metric);
    if (changes === undefined) {
      changes = { removed: new Set(), replaced: new Map(), added: new Map() };
      this.#changes.set(metric, changes);
    }
    return changes;
  }

  isDropped(metric: string): boolean {
    return this.#dropped.has(metric);
  }

  /** The labels that a metric has in the end; `values` are what the expressions have come to. */
  apply(metric: string, labels: SeriesLabels, values: readonly string[]): SeriesLabels {
    const changes = this.#changes.get(metric);
    if (changes === undefined) return labels;
    const { removed, replaced, added } = changes;
    const result: (readonly [string, string])[] = [];
    for (const label of labels) {
      const index = replaced.get(label[0]);
      if (index !== undefined) result.push([label[0], values[index]]);
      else if (!removed.has(label[0])) result.push(label);
    }
    for (const [name, index] of added) result.push([name, values[index]]);
    return result;
  }
}
