import type { Container, PodSpec } from './kinds/shared/pod-spec.ts';

/** Ports on which a gateway of EnRoute takes requests. */
export interface EnroutePorts {
  readonly http: number;
  readonly https: number;
}

const DEFAULT_PORTS: EnroutePorts = { http: 8080, https: 8443 };

/** What a container of EnRoute's pod is for. */
export type EnrouteRole =
  /** Takes the requests. */
  | 'envoy'
  /** Gives the gateway the certificates that the sidecar has written. */
  | 'cert-server'
  /** Does what the control plane does here. */
  | 'control-plane'
  /** Counts for rate limits, as the control plane does here. */
  | 'counters';

const IMAGE = /(?:^|\/)enroute-gwi?(?:[:@]|$)/;
const LABELS = ['app.kubernetes.io/name', 'app'];

/** Whether the pods of a template are gateways of EnRoute: by the image, or the labels and containers of its chart. */
export function isEnrouteGateway(
  spec: Pick<PodSpec, 'containers'> | undefined,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  const containers = spec?.containers ?? [];
  const labelled = LABELS.some((key) => labels[key] === 'enroute');
  return (
    containers.some(({ image = '' }) => IMAGE.test(image)) ||
    (labelled && containers.some((container) => container.name === 'envoy' && !runsHere(container)))
  );
}

/** What `enroute serve` is told by `--envoy-service-http-port` and `--envoy-service-https-port`. */
export function enroutePorts({ containers }: Pick<PodSpec, 'containers'>): EnroutePorts {
  const words = containers
    .filter((container) => enrouteRole(container) === 'control-plane')
    .flatMap(({ command = [], args = [] }) => [...command, ...args])
    .flatMap((word) => word.split('='));
  const after = (flag: string) => {
    const port = Number(words[words.indexOf(flag) + 1]);
    return words.includes(flag) && Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
  };
  return {
    http: after('--envoy-service-http-port') ?? DEFAULT_PORTS.http,
    https: after('--envoy-service-https-port') ?? DEFAULT_PORTS.https,
  };
}

/** What a container of an EnRoute gateway is for; undefined for a program that somebody has put beside it. */
export function enrouteRole(container: Container): EnrouteRole | undefined {
  if (IMAGE.test(container.image ?? '')) return 'control-plane';
  if (container.name === 'envoy' || /(?:^|\/)envoy(?:[:@]|$)/.test(container.image ?? '')) return 'envoy';
  if (container.name === 'cert-server') return 'cert-server';
  return container.name === 'redis' ? 'counters' : undefined;
}

/** A command with no image is a program of this machine. */
function runsHere({ image, command }: Container): boolean {
  return !image && (command ?? []).length > 0;
}
