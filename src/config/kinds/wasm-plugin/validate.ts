import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateAttachment, validateTrafficSelectors } from '../../validation/selectors.ts';
import { validateWasm } from '../../validation/wasm.ts';
import type { WasmPluginSpec } from './schema.ts';

/** What Istio's validation refuses or warns about in a WasmPlugin. */
export function validateWasmPlugin({ spec }: ConfigObject<WasmPluginSpec>, report: Report): void {
  const at = report.at('spec');
  validateAttachment(spec, at);
  validateWasm(spec, at);
  validateTrafficSelectors(spec.match, at.at('match'));
}
