import { isIP } from 'node:net';
import { UserError } from '../../base/errors.ts';

/** What is sent to the proxy of a network namespace, in the terms of istio-iptables. */
export interface CaptureOptions {
  /** `-p`: where the proxy takes what the programs send. */
  readonly outboundPort: number;
  /** `-z`: where it takes what is sent to them. */
  readonly inboundPort: number;
  /** `-m`: how what is sent to them gets there. Only under TPROXY do programs see the addresses of their clients. */
  readonly inboundMode: CaptureMode;
  /** `-t`: mark of packets that are for the proxy's sockets whatever their address says, under TPROXY. */
  readonly tproxyMark: number;
  /** `-r`: table of the routes by which packets with that mark stay in the namespace. */
  readonly tproxyTable: number;
  /** `-e`: where tunnels (HBONE) arrive, which are never captured. */
  readonly tunnelPort: number;
  /** `-u`, `-g`: whose connections are the proxy's own. */
  readonly proxyUids: readonly number[];
  readonly proxyGids: readonly number[];
  /** `-b`: ports of the programs; `*` for all. */
  readonly includeInboundPorts: '*' | readonly number[];
  /** `-d`; counts where all ports are included. */
  readonly excludeInboundPorts: readonly number[];
  /** `-q`: ports that are captured whatever their address. */
  readonly includeOutboundPorts: readonly number[];
  /** `-o`. */
  readonly excludeOutboundPorts: readonly number[];
  /** `-i`: ranges of addresses, as CIDR; `*` for all. */
  readonly includeOutboundRanges: '*' | readonly string[];
  /** `-x`. */
  readonly excludeOutboundRanges: readonly string[];
  /** Loopback addresses that are other pods', where many share one machine: captured, unlike the rest of 127.0.0.0/8. */
  readonly loopbackRanges: readonly string[];
  /** `-c`: interfaces whose traffic is left alone, in both directions. */
  readonly excludeInterfaces: readonly string[];
  /** Where the agent answers DNS; undefined leaves DNS alone. */
  readonly dns: DnsCapture | undefined;
}

export type CaptureMode = 'REDIRECT' | 'TPROXY';

export interface DnsCapture {
  readonly port: number;
  /** Name servers whose queries are taken; `*` for whatever is asked. */
  readonly servers: '*' | readonly string[];
}

/** Ports that are the agent's and the proxy's own, and answer in clear: metrics, readiness, status. */
const OWN_PORTS = [15090, 15021, 15020];
/** Where the agent answers DNS, unless told. */
export const DNS_PORT = 15053;
/** The user and group that Istio's sidecar runs as. */
const PROXY_ID = 1337;

/** What Istio's injector asks for where nothing else is said. */
export const CAPTURE_DEFAULTS: CaptureOptions = {
  outboundPort: 15001,
  inboundPort: 15006,
  inboundMode: 'REDIRECT',
  tproxyMark: 1337,
  tproxyTable: 133,
  tunnelPort: 15008,
  proxyUids: [PROXY_ID],
  proxyGids: [PROXY_ID],
  includeInboundPorts: '*',
  excludeInboundPorts: OWN_PORTS,
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  includeOutboundRanges: '*',
  excludeOutboundRanges: [],
  loopbackRanges: [],
  excludeInterfaces: [],
  dns: undefined,
};

const PREFIX = 'traffic.sidecar.istio.io/';
/** The annotation that says how the traffic of a pod gets to its sidecar; `NONE` is explicit capture. */
export const INTERCEPTION = 'sidecar.istio.io/interceptionMode';
const MODES = ['REDIRECT', 'TPROXY', 'NONE'];
const VIRTUAL_INTERFACES = ['traffic.sidecar.istio.io/kubevirtInterfaces', 'istio.io/reroute-virtual-interfaces'];
/** What cannot be had where the sidecar is in another network than the programs. */
const SAME_NETWORK = ['includeInboundPorts', 'excludeInboundPorts', 'excludeInterfaces'];

/**
 * The defaults with what annotations of a pod say (`traffic.sidecar.istio.io/*`). Throws a UserError that names the
 * annotation: a rule that is left out would let traffic past the proxy. `inboundMode` has been found before, for the
 * configuration of the proxy may say it as well.
 */
export function captureOptionsOf(
  annotations: Readonly<Record<string, string>>,
  inboundMode: CaptureMode = 'REDIRECT',
): CaptureOptions {
  const asked = annotations[INTERCEPTION];
  if (asked !== undefined && !MODES.includes(asked))
    throw new UserError(
      `the annotation ${INTERCEPTION} has ${JSON.stringify(asked)}, which is none of ${MODES.join(', ')}`,
    );
  for (const name of VIRTUAL_INTERFACES)
    if (annotations[name]) throw new UserError(`the annotation ${name} has no effect here: pods have one interface`);
  const read = <T>(name: string, parse: (text: string) => T, otherwise: T): T => {
    const text = annotations[PREFIX + name];
    if (text === undefined) return otherwise;
    try {
      return parse(text);
    } catch (error) {
      throw new UserError(`the annotation ${PREFIX}${name} ${(error as Error).message}`);
    }
  };
  const ports = (name: string) => read<readonly number[]>(name, list(parsePort), []);
  return {
    ...CAPTURE_DEFAULTS,
    inboundMode,
    includeInboundPorts: read<'*' | readonly number[]>('includeInboundPorts', allOr(parsePort), '*'),
    excludeInboundPorts: [...new Set([...OWN_PORTS, ...ports('excludeInboundPorts')])],
    includeOutboundPorts: ports('includeOutboundPorts'),
    excludeOutboundPorts: ports('excludeOutboundPorts'),
    includeOutboundRanges: read<'*' | readonly string[]>('includeOutboundIPRanges', allOr(parseRange), '*'),
    excludeOutboundRanges: read<readonly string[]>('excludeOutboundIPRanges', list(parseRange), []),
    excludeInterfaces: read<readonly string[]>('excludeInterfaces', list(parseInterface), []),
  };
}

/**
 * The same for programs whose sidecar is in another network: there is no other way out, so that what is excluded is
 * refused. Throws a UserError for what would need the sidecar among them.
 */
export function outsideCaptureOptions(
  annotations: Readonly<Record<string, string>>,
  others: string,
  inboundMode: CaptureMode = 'REDIRECT',
): CaptureOptions {
  if (inboundMode === 'TPROXY')
    throw new UserError('interceptionMode TPROXY cannot be had without root: the sidecar is in another network');
  for (const name of SAME_NETWORK)
    if (annotations[PREFIX + name] !== undefined)
      throw new UserError(
        `the annotation ${PREFIX}${name} cannot be had without root: the sidecar is in another network`,
      );
  return {
    ...captureOptionsOf(annotations),
    proxyUids: [],
    proxyGids: [],
    includeInboundPorts: [],
    loopbackRanges: [others],
    dns: { port: DNS_PORT, servers: '*' },
  };
}

function list<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map(parse);
}

function allOr<T>(parse: (text: string) => T): (text: string) => '*' | T[] {
  return (text) => (text.trim() === '*' ? '*' : list(parse)(text));
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw new Error(`has ${JSON.stringify(text)}, which is no port from 1 to 65535`);
  return port;
}

function parseRange(text: string): string {
  const [address = '', length, ...more] = text.split('/');
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  const isWhole = length !== undefined && /^\d{1,3}$/.test(length) && Number(length) <= bits;
  if (bits < 0 || !isWhole || more.length > 0)
    throw new Error(`has ${JSON.stringify(text)}, which is no range such as 10.0.0.0/8`);
  return text;
}

/** Names of interfaces have 15 bytes at most (IFNAMSIZ). */
function parseInterface(text: string): string {
  if (!/^[a-zA-Z0-9_.@:-]{1,15}$/.test(text) || text.startsWith('-'))
    throw new Error(`has ${JSON.stringify(text)}, which is no name of an interface`);
  return text;
}
