import ipaddr from 'ipaddr.js';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import type { Resource } from '../resource.ts';

/** Webhooks of a control plane that runs elsewhere, whose address is missing or no name. */
export const externalControlPlaneAnalyzer: Analyzer = {
  name: 'externalcontrolplane.ExternalControlPlaneAnalyzer',
  description: 'Checks that the remote IstioOperator resources reference an external control plane',
  analyze(context) {
    for (const configuration of context.list('ValidatingWebhookConfiguration')) {
      const { name } = configuration;
      if (name === 'istiod-default-validator' || name.startsWith('istio-validator')) check(configuration, context);
    }
    for (const configuration of context.list('MutatingWebhookConfiguration')) {
      if (configuration.name.startsWith('istio-sidecar-injector')) check(configuration, context);
    }
  },
};

type WebhookConfiguration = Resource<'ValidatingWebhookConfiguration'> | Resource<'MutatingWebhookConfiguration'>;

function check(configuration: WebhookConfiguration, context: AnalysisContext): void {
  for (const [i, { name = '', clientConfig }] of (configuration.spec.webhooks ?? []).entries()) {
    const url = clientConfig?.url;
    if (url === undefined) {
      if (clientConfig?.service === undefined)
        context.report('IST0163', configuration, ['', name, 'is blank'], ['webhooks', i, 'name']);
      continue;
    }
    const path = ['webhooks', i, 'clientConfig', 'url'];
    const host = hostOf(url);
    if (host === undefined)
      context.report('IST0163', configuration, [url, name, 'was provided in an invalid format'], path);
    else if (ipaddr.isValid(host)) context.report('IST0164', configuration, [url, name], path);
  }
}

/** The host of a URL, empty if it has none; undefined if the text cannot be a URL. */
function hostOf(url: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(url)) return /[\s%[\]]/.test(url) ? undefined : '';
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[(.*)\]$/, '$1') : undefined;
}
