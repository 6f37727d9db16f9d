import type { SourceLocation } from '../base/errors.ts';
import type { ConfigObject } from '../config/object.ts';
import type { Origin } from './index/virtual-service.ts';

/** The places where objects, or parts of them, stand; each once. */
export function locationsOf(sources: Iterable<Origin | ConfigObject | undefined>): readonly SourceLocation[] {
  const seen = new Set<string>();
  const locations: SourceLocation[] = [];
  for (const source of sources) {
    if (source === undefined) continue;
    const location = 'path' in source ? source.object.locate(source.path) : source.locate([]);
    const key = `${location.file}:${location.line ?? ''}:${location.column ?? ''}`;
    if (seen.has(key)) continue;
    seen.add(key);
    locations.push(location);
  }
  return locations;
}
