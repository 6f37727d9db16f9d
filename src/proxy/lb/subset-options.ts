/** What a request gets for which no subset has hosts. */
export type SubsetFallback = 'none' | 'any' | 'default';

/** `lb_subset_config.subset_selectors`: hosts are grouped by their values for these keys. */
export interface SubsetSelector {
  /** Sorted, each once. */
  readonly keys: readonly string[];
  /** Instead of the fallback of all, for requests with exactly these keys. */
  readonly fallback: SubsetFallback | 'keys' | undefined;
  /** `fallback_keys_subset`: the keys that a request with fallback `keys` is left with. */
  readonly fallbackKeys: readonly string[];
  /** One host for each value, the first one. */
  readonly singleHost: boolean;
}

/** `lb_subset_config`. */
export interface SubsetOptions {
  readonly fallback: SubsetFallback;
  /** Values that hosts of the default subset have. */
  readonly defaultSubset: Readonly<Record<string, unknown>>;
  readonly selectors: readonly SubsetSelector[];
  readonly localityWeightAware: boolean;
  readonly scaleLocalityWeight: boolean;
  /** Any host at all, before a request fails because the fallback has none. */
  readonly panicModeAny: boolean;
  /** A list as a host's value stands for each of its elements. */
  readonly listAsAny: boolean;
  /** `metadata_fallback_policy: FALLBACK_LIST`: requests bring further criteria to try in turn. */
  readonly fallbackList: boolean;
  /** Of what a request asks for only the keys of a selector count: of the longest whose keys it all has. */
  readonly redundantKeys: boolean;
}
