import type { SupportTable } from '../../config/supported.ts';
import { SUPPORTED as ROUTE } from '../../router/supported.ts';

const pick = (names: readonly string[]): SupportTable => Object.fromEntries(names.map((name) => [name, ROUTE[name]]));

/** Messages that the configurations of many filters are made of: matchers, fractions, header edits. */
export const MATCHERS: SupportTable = pick([
  'envoy.type.matcher.v3.StringMatcher',
  'envoy.type.matcher.v3.RegexMatcher',
  'envoy.type.matcher.v3.RegexMatcher.GoogleRE2',
  'envoy.config.route.v3.HeaderMatcher',
  'envoy.config.route.v3.QueryParameterMatcher',
  'envoy.type.v3.Int64Range',
  'envoy.type.v3.FractionalPercent',
  'envoy.config.core.v3.RuntimeFractionalPercent',
  'envoy.config.core.v3.HeaderValue',
  'envoy.config.core.v3.HeaderValueOption',
  'envoy.config.core.v3.TypedExtensionConfig',
]);

/** Messages that `metadataTest` reads. */
export const METADATA_MATCHERS: SupportTable = {
  ...MATCHERS,
  ...pick([
    'envoy.type.matcher.v3.MetadataMatcher',
    'envoy.type.matcher.v3.MetadataMatcher.PathSegment',
    'envoy.type.matcher.v3.ValueMatcher',
    'envoy.type.matcher.v3.ValueMatcher.NullMatch',
    'envoy.type.matcher.v3.DoubleMatcher',
    'envoy.type.v3.DoubleRange',
    'envoy.type.matcher.v3.ListMatcher',
    'envoy.type.matcher.v3.OrMatcher',
  ]),
};

/** Messages that `headerMutations` reads. */
export const HEADER_MUTATIONS: SupportTable = {
  ...MATCHERS,
  ...pick([
    'envoy.config.common.mutation_rules.v3.HeaderMutation',
    'envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch',
  ]),
};

/** Messages that `ownRateLimitRules` reads. */
export const RATE_LIMITS: SupportTable = Object.fromEntries(
  Object.entries(ROUTE).filter(
    ([name]) =>
      /^envoy\.config\.route\.v3\.RateLimit(\.|$)/.test(name) ||
      /^envoy\.type\.metadata\.v3\.MetadataKey/.test(name) ||
      /^(envoy\.type\.matcher\.v3\.AddressMatcher|xds\.core\.v3\.CidrRange)$/.test(name),
  ),
);
