import type { TestContext } from 'node:test';
import { readEnvironment } from '../../src/agent/environment/environment.ts';
import type { ProxyConfig } from '../../src/agent/environment/proxy-config.ts';
import type { AgentOptions } from '../../src/agent/options.ts';
import { Logging } from '../../src/base/log.ts';
import { scratch } from './reference.ts';

const PROXY_CONFIG: ProxyConfig = {
  configPath: './etc/istio/proxy',
  discoveryAddress: '127.0.0.1:15010',
  controlPlaneAuthPolicy: 'NONE',
  drainDuration: 45_000,
  terminationDrainDuration: 5000,
  proxyAdminPort: 15000,
  statusPort: 0,
};

/** An agent of a pod at 127.0.0.1, in a folder of its own, and what it logs. */
export function agentOptions(
  t: TestContext,
  env: Readonly<Record<string, string>> = {},
  proxyConfig: Partial<ProxyConfig> = {},
): { readonly options: AgentOptions; readonly lines: readonly string[] } {
  const lines: string[] = [];
  const logging = new Logging({ format: 'istio', stream: { write: (line) => lines.push(line) } });
  const options: AgentOptions = {
    role: 'sidecar',
    dir: scratch(t),
    environment: readEnvironment({ INSTANCE_IP: '127.0.0.1', POD_NAME: 'web-1', ...env }, 'sidecar'),
    proxyConfig: { ...PROXY_CONFIG, ...proxyConfig },
    proxyConfigJson: { discoveryAddress: PROXY_CONFIG.discoveryAddress },
    domain: undefined,
    podLabels: {},
    podAnnotations: {},
    envoy: undefined,
    proxyLogLevel: '',
    proxyComponentLogLevel: undefined,
    version: '1.31.0',
    logging,
    proxyLogging: logging,
    env: {},
  };
  return { options, lines };
}
