import type { ServiceSpec } from '../../config/kinds/service/schema.ts';
import type { ConfigObject } from '../../config/object.ts';

/** Where the programs of a pod find things. */
export interface ProgramPlace {
  /** Where they must listen. */
  readonly address: string;
  /** The first port that they are to listen on. */
  readonly port: number | undefined;
  /** Where their sidecar takes HTTP for anywhere; undefined without one. */
  readonly proxy: { readonly address: string; readonly port: number } | undefined;
  /** Addresses that are not to be asked for through the proxy. */
  readonly direct: readonly string[];
}

/** Variables that programs have from whoever started the mesh. The rest of that environment is none of their business. */
const INHERITED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'NODE_EXTRA_CA_CERTS'];

/** What every program of a pod finds in its environment, under what its container says. */
export function programEnvironment(
  outer: Readonly<Record<string, string | undefined>>,
  podName: string,
  { address, port, proxy, direct }: ProgramPlace,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of INHERITED) if (outer[name] !== undefined) env[name] = outer[name];
  env.HOSTNAME = podName;
  env.HOST = address;
  if (port !== undefined) env.PORT = String(port);
  if (proxy === undefined) return env;
  const url = `http://${proxy.address}:${proxy.port}`;
  const none = ['localhost', '127.0.0.1', '::1', ...direct].join(',');
  for (const name of ['http_proxy', 'https_proxy']) env[name] = env[name.toUpperCase()] = url;
  env.no_proxy = env.NO_PROXY = none;
  // Node's own clients look at these variables only when told to.
  env.NODE_USE_ENV_PROXY = '1';
  return env;
}

/** `NAME_SERVICE_HOST` and `NAME_SERVICE_PORT` of services, as Kubernetes makes them: here the host is the sidecar's. */
export function serviceLinks(
  services: readonly ConfigObject<ServiceSpec>[],
  host: (service: ConfigObject<ServiceSpec>) => string | undefined,
  portOf: (port: number) => number,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const service of services) {
    const address = host(service);
    const ports = service.spec.ports ?? [];
    if (address === undefined || ports.length === 0 || service.spec.clusterIP === 'None') continue;
    const name = variable(service.metadata.name);
    env[`${name}_SERVICE_HOST`] = address;
    env[`${name}_SERVICE_PORT`] = String(portOf(ports[0]!.port));
    for (const port of ports) {
      if (port.name) env[`${name}_SERVICE_PORT_${variable(port.name)}`] = String(portOf(port.port));
    }
  }
  return env;
}

function variable(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
