import { sameLabels } from '../../registry/labels.ts';
import type { Service, ServicePort } from '../../registry/service.ts';
import { Memo } from '../memo.ts';

const trimmed = new Memo<Service>();
const merged = new Memo<Service | undefined>();

/** The service with only some of its ports, or itself if they are all. The same object for the same ports. */
export function withPorts(service: Service, ports: readonly ServicePort[]): Service {
  if (ports.length === service.ports.length) return service;
  return trimmed.get([service], ports.map((port) => port.port).join(), () => ({ ...service, ports }));
}

/** The service with only those of its aliases that a proxy imports. */
export function withAliases(service: Service, aliases: Service['aliases']): Service {
  if (aliases.length === service.aliases.length) return service;
  const key = `aliases ${aliases.map((alias) => `${alias.namespace}/${alias.hostname}`).join()}`;
  return trimmed.get([service], key, () => ({ ...service, aliases }));
}

/**
 * Two declarations of one host made one: the first, with the ports that only the second has. Undefined if they are not
 * of one piece, or the second adds nothing; then the first stands.
 */
export function mergeServices(first: Service, second: Service): Service | undefined {
  return merged.get([first, second], '', () => {
    const added = second.ports.filter((port) => !first.ports.some((p) => p.port === port.port));
    if (added.length === 0 || !ofOnePiece(first, second)) return undefined;
    return { ...first, ports: [...first.ports, ...added] };
  });
}

function ofOnePiece(a: Service, b: Service): boolean {
  return (
    a.namespace === b.namespace &&
    a.resolution === b.resolution &&
    a.origin === b.origin &&
    sameLabels(a.labels, b.labels) &&
    sameLabels(a.selector, b.selector) &&
    [...(a.exportTo ?? [])].join() === [...(b.exportTo ?? [])].join()
  );
}
