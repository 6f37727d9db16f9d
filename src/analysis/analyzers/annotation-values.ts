import { parseCidr } from '../../base/cidr.ts';
import { readProxyConfig } from '../../config/kinds/mesh-config/read.ts';

type Check = (value: string) => string | undefined;

/** What is wrong with the value of one of Istio's annotations, or undefined. */
export function checkAnnotationValue(name: string, value: string): string | undefined {
  return CHECKS[name]?.(value);
}

const CHECKS: Readonly<Record<string, Check>> = {
  'sidecar.istio.io/interceptionMode': checkInterceptionMode,
  'status.sidecar.istio.io/port': (value) => checkPort(value),
  'readiness.status.sidecar.istio.io/initialDelaySeconds': checkCount,
  'readiness.status.sidecar.istio.io/periodSeconds': checkCount,
  'readiness.status.sidecar.istio.io/failureThreshold': checkCount,
  'traffic.sidecar.istio.io/includeOutboundIPRanges': (value) =>
    value === '*' ? undefined : named('includeIPRanges', checkCidrs(value)),
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': (value) => named('excludeIPRanges', checkCidrs(value)),
  'traffic.sidecar.istio.io/includeInboundPorts': (value) =>
    value === '*' ? undefined : named('includeInboundPorts', checkPorts(value)),
  'traffic.sidecar.istio.io/excludeInboundPorts': (value) => named('excludeInboundPorts', checkPorts(value)),
  'traffic.sidecar.istio.io/excludeOutboundPorts': (value) => named('excludeOutboundPorts', checkPorts(value)),
  'prometheus.istio.io/merge-metrics': checkBoolean,
  'proxy.istio.io/config': checkProxyConfig,
};

function named(parameter: string, wrong: string | undefined): string | undefined {
  return wrong === undefined ? undefined : `${parameter} invalid: ${wrong}`;
}

function checkInterceptionMode(value: string): string | undefined {
  const known = value === 'REDIRECT' || value === 'TPROXY' || value === 'NONE';
  return known ? undefined : `interceptionMode invalid, use REDIRECT,TPROXY,NONE: ${value}`;
}

function checkCidrs(list: string): string | undefined {
  if (list === '') return undefined;
  const wrong = list.split(',').find((cidr) => !cidr.includes('/') || parseCidr(cidr) === undefined);
  return wrong === undefined ? undefined : `failed parsing cidr '${wrong}'`;
}

function checkPorts(list: string): string | undefined {
  if (list.trim() === '') return undefined;
  for (const port of list.split(',')) {
    const wrong = checkPort(port);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function checkPort(port: string): string | undefined {
  const text = port.trim();
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? undefined : `failed parsing port '${port}'`;
}

function checkCount(value: string): string | undefined {
  const isCount = /^\d{1,10}$/.test(value) && Number(value) < 2 ** 32;
  return isCount ? undefined : `must be a whole number, not ${JSON.stringify(value)}`;
}

function checkBoolean(value: string): string | undefined {
  const isBoolean = /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(value);
  return isBoolean ? undefined : `must be true or false, not ${JSON.stringify(value)}`;
}

function checkProxyConfig(value: string): string | undefined {
  const [wrong] = readProxyConfig(value, '').errors;
  return wrong === undefined ? undefined : `${wrong.field === undefined ? '' : `${wrong.field} `}${wrong.message}`;
}
