import { xxhash64 } from '../../base/xxhash64.ts';
import type { SubscriptionStats } from '../../xds/client/config-source.ts';
import { Histogram } from './histogram.ts';
import { type ComputedStat, StatGroup } from './stats.ts';

const GAUGES: ReadonlySet<string> = new Set(['update_time']);
const RELOAD_GAUGES: ReadonlySet<string> = new Set(['update_time', 'config_reload_time_ms']);
const TEXTS: ReadonlySet<string> = new Set(['version_text']);
const VERSION: readonly ComputedStat<ConfigSubscriptionStats>[] = [
  { name: 'version', kind: 'gauge', value: ({ version_text }) => versionHash(version_text) },
];

/** What Envoy counts for each subscription to configuration: `cluster_manager.cds.`, `http.NAME.rds.ROUTES.` ... */
export class ConfigSubscriptionStats extends StatGroup implements SubscriptionStats {
  readonly gauges = GAUGES;
  override readonly texts = TEXTS;
  override readonly computed = VERSION as readonly ComputedStat<never>[];
  init_fetch_timeout = 0;
  update_attempt = 0;
  update_failure = 0;
  update_rejected = 0;
  update_success = 0;
  /** Milliseconds since 1970. */
  update_time = 0;
  update_duration = new Histogram();
  version_text = '';

  attempt(): void {
    this.update_attempt++;
  }

  success(version: string, timeMs: number): void {
    this.update_success++;
    this.update_time = timeMs;
    this.version_text = version;
  }

  rejected(): void {
    this.update_rejected++;
  }

  failure(): void {
    this.update_failure++;
  }

  initFetchTimeout(): void {
    this.init_fetch_timeout++;
  }
}

/** A subscription whose updates make something anew: routes. */
export class ReloadingSubscriptionStats extends ConfigSubscriptionStats {
  override readonly gauges = RELOAD_GAUGES;
  config_reload = 0;
  config_reload_time_ms = 0;
  update_empty = 0;

  reloaded(timeMs: number): void {
    this.config_reload++;
    this.config_reload_time_ms = timeMs;
  }
}

/** A subscription to the configuration of a filter (`extension_config_discovery.http_filter.NAME.`). */
export class ExtensionConfigStats extends ConfigSubscriptionStats {
  config_conflict = 0;
  config_fail = 0;
  config_reload = 0;
}

/** `version`: a hash of the text, 0 before the first update. */
export function versionHash(text: string): bigint | number {
  return text === '' ? 0 : xxhash64(Buffer.from(text, 'utf8'));
}
