import type { Report } from '../../report.ts';
import { checkEgressHost } from '../../validation/gateways.ts';
import { checkDnsName, isIpAddress } from '../../validation/hosts.ts';
import { checkPort } from '../../validation/ports.ts';
import { EXTENSION_PROVIDER_TYPES, type ExtensionProvider } from './extension-provider.ts';
import type { MeshConfig } from './schema.ts';

/** Providers that are not services somewhere in the mesh. */
const WITHOUT_SERVICE = new Set(['prometheus', 'stackdriver', 'envoyFileAccessLog']);

/**
 * The rules for extension providers. An invalid one warns: it does no harm until something uses it, and then that is
 * what fails.
 */
export function validateExtensionProviders({ extensionProviders = [] }: MeshConfig, report: Report): void {
  const names = new Set<string>();
  for (const [i, provider] of extensionProviders.entries()) {
    const at = report.at('extensionProviders', i);
    const name = provider.name ?? '';
    if (name === '') at.warning('is required', 'name');
    else if (names.has(name)) at.warning(`is the second provider named ${name}`, 'name');
    names.add(name);
    const type = EXTENSION_PROVIDER_TYPES.find((t) => provider[t] !== undefined);
    if (type === undefined) at.warning('has no type, such as zipkin or envoyExtAuthzGrpc');
    else if (!WITHOUT_SERVICE.has(type)) validateService(provider[type] as Service, at.at(type));
    validateDetails(provider, at);
  }
}

interface Service {
  readonly service?: string;
  readonly port?: number;
}

function validateService({ service = '', port = 0 }: Service, report: Report): void {
  const wrong = service.includes('/')
    ? checkEgressHost(service)
    : isIpAddress(service)
      ? undefined
      : checkDnsName(service);
  if (wrong !== undefined) report.warning(wrong, 'service');
  const wrongPort = checkPort(port);
  if (wrongPort !== undefined) report.warning(wrongPort, 'port');
}

function validateDetails(provider: ExtensionProvider, report: Report): void {
  for (const field of ['envoyExtAuthzHttp', 'envoyExtAuthzGrpc'] as const) {
    const status = provider[field]?.statusOnError;
    if (status && !(/^\d{3}$/.test(status) && Number(status) >= 100 && Number(status) <= 511)) {
      report.warning(`must be an HTTP status, not ${JSON.stringify(status)}`, field, 'statusOnError');
    }
  }
  const prefix = provider.envoyExtAuthzHttp?.pathPrefix;
  if (prefix && !prefix.startsWith('/'))
    report.warning(`must begin with a slash, not ${JSON.stringify(prefix)}`, 'envoyExtAuthzHttp', 'pathPrefix');
  if (provider.lightstep !== undefined && !provider.lightstep.accessToken)
    report.warning('is required', 'lightstep', 'accessToken');
  validateHeaders(provider, report);
  if (provider.opentelemetry?.http !== undefined && provider.opentelemetry.grpc !== undefined) {
    report.warning('must not have both http and grpc', 'opentelemetry');
  }
}

/** Headers sent to collectors: their values are in the configuration, never in the environment of the control plane. */
function validateHeaders({ zipkin, opentelemetry }: ExtensionProvider, report: Report): void {
  const lists = [
    { path: ['zipkin', 'headers'], headers: zipkin?.headers },
    { path: ['opentelemetry', 'http', 'headers'], headers: opentelemetry?.http?.headers },
    { path: ['opentelemetry', 'grpc', 'initialMetadata'], headers: opentelemetry?.grpc?.initialMetadata },
    {
      path: ['opentelemetry', 'dynatraceSampler', 'httpService', 'http', 'headers'],
      headers: opentelemetry?.dynatraceSampler?.httpService?.http?.headers,
    },
  ];
  for (const { path, headers = [] } of lists) {
    for (const [i, { envName }] of headers.entries()) {
      if (envName) report.warning('has no effect, and leaves the header empty: write its value', ...path, i, 'envName');
    }
  }
}
