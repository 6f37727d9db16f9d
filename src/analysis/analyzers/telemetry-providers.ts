import type { Analyzer } from '../analyzer.ts';

/** Access logging that names no provider, in a mesh that has no default one. */
export const telemetryProvidersAnalyzer: Analyzer = {
  name: 'telemetry.ProviderAnalyzer',
  description: 'Validates that providers in telemetry resource is valid',
  analyze(context) {
    if ((context.mesh.defaultProviders.accessLogging?.length ?? 0) > 0) return;
    for (const telemetry of context.list('Telemetry')) {
      const index = (telemetry.spec.accessLogging ?? []).findIndex(
        ({ providers = [], disabled = false }) => providers.length === 0 && !disabled,
      );
      if (index === -1) continue;
      context.report('IST0157', telemetry, [telemetry.name, telemetry.namespace], ['spec', 'accessLogging', index]);
    }
  },
};
