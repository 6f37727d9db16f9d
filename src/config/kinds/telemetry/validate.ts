import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { checkCel } from '../../validation/cel.ts';
import { validateAttachment } from '../../validation/selectors.ts';
import type { CustomTag, Metrics, TelemetrySpec, Tracing } from './schema.ts';

/** What Istio's validation refuses or warns about in a Telemetry. */
export function validateTelemetry({ spec }: ConfigObject<TelemetrySpec>, report: Report): void {
  const at = report.at('spec');
  validateAttachment(spec, at);
  if ((spec.tracing ?? []).length > 1)
    at.warning('has more than one entry, of which only the first has an effect', 'tracing');
  for (const [i, tracing] of (spec.tracing ?? []).entries()) validateTracing(tracing, at.at('tracing', i));
  for (const [i, metrics] of (spec.metrics ?? []).entries()) validateMetrics(metrics, at.at('metrics', i));
  for (const [i, logging] of (spec.accessLogging ?? []).entries()) {
    const loggingAt = at.at('accessLogging', i);
    validateProviders(logging.providers, loggingAt);
    if (logging.filter !== undefined)
      loggingAt.check(checkCel(logging.filter.expression ?? ''), 'filter', 'expression');
  }
}

function validateProviders(providers: readonly { readonly name?: string }[] | undefined, report: Report): void {
  for (const [i, { name }] of (providers ?? []).entries())
    if (!name) report.error('is required', 'providers', i, 'name');
}

function validateTracing(tracing: Tracing, report: Report): void {
  if ((tracing.providers ?? []).length > 1)
    report.warning('has more than one entry, of which only the first has an effect', 'providers');
  validateProviders(tracing.providers, report);
  const percentage = tracing.randomSamplingPercentage ?? 0;
  if (percentage < 0 || percentage > 100)
    report.error(`must be between 0 and 100, not ${percentage}`, 'randomSamplingPercentage');
  for (const [name, tag] of Object.entries(tracing.customTags ?? {})) {
    if (name === '') report.error('has a tag without a name', 'customTags');
    validateTag(tag, report.at('customTags', name));
  }
}

function validateTag(tag: CustomTag, report: Report): void {
  if (tag.literal !== undefined && !tag.literal.value) report.error('is required', 'literal', 'value');
  for (const field of ['header', 'environment'] as const) {
    if (tag[field] !== undefined && !tag[field].name) report.error('is required', field, 'name');
  }
}

function validateMetrics(metrics: Metrics, report: Report): void {
  validateProviders(metrics.providers, report);
  for (const [i, override] of (metrics.overrides ?? []).entries()) {
    const at = report.at('overrides', i);
    if (override.match?.customMetric === '') at.error('must not be empty', 'match', 'customMetric');
    for (const [name, { operation = 'UPSERT', value }] of Object.entries(override.tagOverrides ?? {})) {
      if (name === '') at.warning('has a tag without a name', 'tagOverrides');
      if (operation === 'UPSERT' && !value) at.error('is required for operation UPSERT', 'tagOverrides', name, 'value');
      if (operation === 'REMOVE' && value)
        at.error('must not be set for operation REMOVE', 'tagOverrides', name, 'value');
    }
  }
}
