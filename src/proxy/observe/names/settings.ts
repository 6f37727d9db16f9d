import type {
  HistogramBucketSettings,
  StatsConfig,
  StatsMatcher,
} from '../../../api/gen/envoy/config/metrics/v3/stats_pb.ts';
import type { ListStringMatcher } from '../../../api/gen/envoy/type/matcher/v3/string_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { type StringTest, stringTest } from '../../router/string-match.ts';
import { DEFAULT_BUCKETS } from '../histogram.ts';
import { TagExtractor } from './tag-extractor.ts';

/** `envoy.config.metrics.v3.StatsConfig`, compiled. */
export interface StatsSettings {
  readonly tags: TagExtractor;
  /** Whether a statistic of that full name exists at all (`stats_matcher`). */
  includes(name: string): boolean;
  /** Upper bounds of the buckets of a histogram. */
  buckets(name: string): readonly number[];
}

/** Reads `stats_config` of the bootstrap. */
export function statsSettings(config: StatsConfig | undefined, errors: ConfigErrors): StatsSettings {
  const tags = new TagExtractor(config?.statsTags ?? [], config?.useAllDefaultTags ?? true, errors.at('stats_tags'));
  const settings = (config?.histogramBucketSettings ?? []).map((setting, i) =>
    bucketSetting(setting, errors.at('histogram_bucket_settings').at(i)),
  );
  return {
    tags,
    includes: inclusion(config?.statsMatcher, errors.at('stats_matcher')),
    buckets: (name) => settings.find(({ test }) => test(name))?.bounds ?? DEFAULT_BUCKETS,
  };
}

function inclusion(matcher: StatsMatcher | undefined, errors: ConfigErrors): StringTest {
  const specifier = matcher?.statsMatcher;
  switch (specifier?.case) {
    case 'rejectAll':
      return specifier.value ? () => false : () => true;
    case 'inclusionList':
      return anyOf(specifier.value, errors.at('inclusion_list'));
    case 'exclusionList': {
      const excluded = anyOf(specifier.value, errors.at('exclusion_list'));
      return (name) => !excluded(name);
    }
    default:
      return () => true;
  }
}

function anyOf({ patterns }: ListStringMatcher, errors: ConfigErrors): StringTest {
  const tests = patterns.map((pattern, i) => stringTest(pattern, errors.at('patterns').at(i)));
  return (name) => tests.some((test) => test(name));
}

function bucketSetting(setting: HistogramBucketSettings, errors: ConfigErrors) {
  const { match, buckets } = setting;
  if (match === undefined) errors.add('match', 'is needed');
  const test: StringTest = match ? stringTest(match, errors.at('match')) : () => false;
  if (buckets.length === 0) errors.add('buckets', 'at least one is needed');
  buckets.forEach((bound, i) => {
    if (!(bound > 0)) errors.at('buckets').at(i).add('', 'must be greater than 0');
  });
  return { test, bounds: [...new Set(buckets)].sort((a, b) => a - b) };
}
