import type { Analyzer } from '../analyzer.ts';

/** Tracing by a provider that has gone over to OpenTelemetry. */
export const telemetryLightstepAnalyzer: Analyzer = {
  name: 'telemetry.LightstepAnalyzer',
  description: 'Validates that lightstep provider is still used',
  analyze(context) {
    const providers = context.mesh.extensionProviders.filter((provider) => 'lightstep' in provider);
    const names = new Set(providers.map(({ name }) => name));
    for (const telemetry of context.list('Telemetry')) {
      for (const [i, { providers: used = [] }] of (telemetry.spec.tracing ?? []).entries()) {
        for (const [j, { name }] of used.entries()) {
          if (name === undefined || !names.has(name)) continue;
          const text = `The Lightstep provider ${name} is deprecated, please migrate to OpenTelemetry provider.`;
          context.report('IST0002', telemetry, [text], ['spec', 'tracing', i, 'providers', j, 'name']);
        }
      }
    }
  },
};
