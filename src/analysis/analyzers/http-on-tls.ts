import { isTls, kubernetesProtocol, parseProtocol } from '../../registry/protocol.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { fullHost } from '../known-hosts.ts';
import { fullName, parseReference, type Resource } from '../resource.ts';

type VirtualService = Resource<'VirtualService'>;

/** Routes for HTTP where proxies see nothing but TLS: on a port that programs encrypt, or behind a server that passes it through. */
export const httpOnTlsAnalyzer: Analyzer = {
  name: 'isthmus.HttpOnTlsAnalyzer',
  description: 'Checks that HTTP routes of virtual services are for ports on which proxies see HTTP',
  analyze(context) {
    const declared = declaredPorts(context);
    for (const virtualService of context.list('VirtualService')) {
      reportPorts(virtualService, declared, context);
      reportPassthrough(virtualService, context);
    }
  },
};

interface Declared {
  readonly protocol: string;
  /** `ServiceEntry default/ext`. */
  readonly by: string;
}

/** What is said of ports, by `HOST:PORT`. */
function declaredPorts(context: AnalysisContext): ReadonlyMap<string, readonly Declared[]> {
  const ports = new Map<string, Declared[]>();
  const add = (host: string, number: number, declared: Declared) => {
    const key = `${host}:${number}`;
    ports.set(key, [...(ports.get(key) ?? []), declared]);
  };
  for (const entry of context.list('ServiceEntry'))
    for (const host of entry.spec.hosts ?? [])
      for (const { number = 0, protocol = '' } of entry.spec.ports ?? [])
        add(fullHost(host, entry.namespace), number, { protocol, by: `ServiceEntry ${fullName(entry)}` });
  for (const service of context.list('Service'))
    for (const port of service.spec.ports ?? []) {
      const protocol = kubernetesProtocol({ ...port, port: port.port ?? 0 });
      const host = fullHost(service.name, service.namespace);
      add(host, port.port ?? 0, { protocol, by: `Service ${fullName(service)}` });
    }
  return ports;
}

/** Sidecars: a match that names a port at which they pass on what they cannot read. */
function reportPorts(
  virtualService: VirtualService,
  declared: ReadonlyMap<string, readonly Declared[]>,
  context: AnalysisContext,
): void {
  const { hosts = [], gateways = ['mesh'], http = [] } = virtualService.spec;
  for (const [i, { match = [] }] of http.entries()) {
    for (const [j, { port, gateways: own = gateways }] of match.entries()) {
      if (port === undefined || !own.includes('mesh')) continue;
      for (const host of hosts) {
        const all = declared.get(`${fullHost(host, virtualService.namespace)}:${port}`) ?? [];
        if (all.length === 0 || !all.every(({ protocol }) => isTls(parseProtocol(protocol)))) continue;
        const parameters = [port, host, all[0]!.protocol, all[0]!.by];
        context.report('ISTH0009', virtualService, parameters, ['spec', 'http', i, 'match', j, 'port']);
      }
    }
  }
}

/** Gateways: routes for a host that is served by nothing but servers that pass TLS through. */
function reportPassthrough(virtualService: VirtualService, context: AnalysisContext): void {
  const { hosts = [], gateways = [], http = [] } = virtualService.spec;
  if (http.length === 0) return;
  const bound = gateways
    .filter((reference) => reference !== 'mesh')
    .map((reference) => {
      const { namespace, name } = parseReference(reference, virtualService.namespace);
      return context.list('Gateway').find((gateway) => gateway.namespace === namespace && gateway.name === name);
    });
  if (bound.length === 0 || bound.includes(undefined) || gateways.includes('mesh')) return;
  for (const [i, host] of hosts.entries()) {
    const servers = bound.flatMap((gateway) =>
      (gateway!.spec.servers ?? [])
        .filter(({ hosts: served = [] }) => served.some((pattern) => covers(pattern.replace(/^.*\//, ''), host)))
        .map((server) => ({ server, gateway: gateway! })),
    );
    const isPassed = servers.every(
      ({ server: { tls } }) => tls?.mode === 'PASSTHROUGH' || tls?.mode === 'AUTO_PASSTHROUGH',
    );
    if (servers.length === 0 || !isPassed) continue;
    const { server, gateway } = servers[0]!;
    const parameters = [fullName(gateway), host, String(server.tls?.mode)];
    context.report('ISTH0010', virtualService, parameters, ['spec', 'hosts', i]);
  }
}

function covers(pattern: string, host: string): boolean {
  if (pattern === '*' || pattern === host) return true;
  return pattern.startsWith('*.') && host.endsWith(pattern.slice(1));
}
