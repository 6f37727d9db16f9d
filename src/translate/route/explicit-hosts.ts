import { isHttpOrSniffed } from '../../registry/protocol.ts';
import type { EgressListener } from '../index/sidecar-scope.ts';
import { Memo } from '../memo.ts';
import { domainName } from '../names.ts';
import type { ProxyView } from '../proxy-view.ts';
import { byName, type VirtualHostSpec } from './virtual-host.ts';

/** What clients that have only an address of their sidecar's put into the host header. */
const LOOPBACK_DOMAINS = ['localhost', '127.*'];

const withLoopback = new Memo<readonly VirtualHostSpec[]>();

/**
 * Where programs address their sidecar itself (explicit capture), a request on a port may name only that address. It is
 * for the one service that can be meant: the only one of the program's namespace on that port, else the only one at all.
 */
export function withLoopbackDomains(
  { node }: ProxyView,
  { services }: EgressListener,
  hosts: readonly VirtualHostSpec[],
  port: number,
): readonly VirtualHostSpec[] {
  return withLoopback.get([hosts, services], `${port} ${node.namespace}`, () => {
    const here = services.filter(({ ports }) => ports.some((p) => p.port === port && isHttpOrSniffed(p.protocol)));
    const own = here.filter(({ namespace }) => namespace === node.namespace);
    const candidates = own.length > 0 ? own : here;
    if (candidates.length !== 1) return hosts;
    const name = domainName(candidates[0]!.hostname, port);
    const taken = new Set(hosts.flatMap(({ domains }) => domains));
    const free = LOOPBACK_DOMAINS.filter((domain) => !taken.has(domain));
    return hosts.map((host) => (host.name === name ? { ...host, domains: [...host.domains, ...free] } : host));
  });
}

const withPort = new Memo<readonly VirtualHostSpec[]>();

/** The hosts of several ports in one table, where the host header tells them apart. A name without a port means port 80. */
export function withDomainsOfPorts(
  byPort: ReadonlyMap<number, readonly VirtualHostSpec[]>,
): readonly VirtualHostSpec[] {
  return withPort.get([...byPort.values()], [...byPort.keys()].join(), () =>
    [...byPort]
      .flatMap(([port, hosts]) =>
        hosts.map((host) => {
          const named = host.domains.map((domain) => `${domain}:${port}`);
          return { ...host, domains: port === 80 ? [...host.domains, ...named] : named };
        }),
      )
      .sort(byName),
  );
}
