/** One of the compressors of a filter chain. */
export interface Offer {
  /** `gzip`, `br`, `zstd`. */
  readonly coding: string;
  /** Comes before others where the client likes them the same (`choose_first`). */
  readonly first: boolean;
  readonly takes: (contentType: string | undefined) => boolean;
}

export type Verdict = 'used' | 'identity' | 'wildcard' | 'not valid' | 'no header';

export interface Choice {
  readonly coding: string;
  readonly verdict: Verdict;
}

interface Preference {
  readonly coding: string;
  readonly quality: number;
}

/** Which of the compressors a response goes through (RFC 9110 section 12.5.3), as Envoy chooses. */
export function chooseCoding(
  acceptEncoding: string | undefined,
  contentType: string | undefined,
  offers: readonly Offer[],
): Choice {
  if (acceptEncoding === undefined) return { coding: 'identity', verdict: 'no header' };
  const usable = offers.filter((offer) => offer.takes(contentType));
  const preferences = acceptEncoding.split(',').map(preference);
  const offered = (coding: string) => usable.some((offer) => offer.coding === coding);
  const wildcard = preferences.some(({ coding }) => coding === '*');
  if (!wildcard && !preferences.some(({ coding }) => offered(coding) || coding === 'identity')) {
    return { coding: 'identity', verdict: 'not valid' };
  }
  let best: Preference = { coding: 'identity', quality: 0 };
  for (const one of preferences) {
    if (one.coding !== '*' && one.coding !== 'identity' && !offered(one.coding)) continue;
    const preferred = usable.find((offer) => offer.coding === one.coding)?.first ?? false;
    if (one.quality > best.quality || (one.quality === best.quality && one.quality > 0 && preferred)) best = one;
  }
  if (best.quality === 0) return { coding: 'identity', verdict: 'not valid' };
  if (best.coding === 'identity') return { coding: 'identity', verdict: 'identity' };
  if (best.coding !== '*') return { coding: best.coding, verdict: 'used' };
  const [any] = usable;
  return any === undefined ? { coding: 'identity', verdict: 'not valid' } : { coding: any.coding, verdict: 'wildcard' };
}

function preference(text: string): Preference {
  const [coding, ...parameters] = text.split(';').map((part) => part.trim());
  const weight = parameters.find((parameter) => /^q=/i.test(parameter));
  const quality = weight === undefined ? 1 : Number(weight.slice(2));
  return { coding, quality: Number.isFinite(quality) ? quality : 0 };
}
