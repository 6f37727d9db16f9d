import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateAttachment, validateTrafficSelectors } from '../../validation/selectors.ts';
import { validateWasm } from '../../validation/wasm.ts';
import type { TrafficExtensionSpec } from './schema.ts';

/** Characters of a script; it is sent to every proxy that runs it. */
const MAX_LUA = 65536;

/** What Istio's validation refuses or warns about in a TrafficExtension. */
export function validateTrafficExtension({ spec }: ConfigObject<TrafficExtensionSpec>, report: Report): void {
  const at = report.at('spec');
  validateAttachment(spec, at);
  if (spec.wasm === undefined && spec.lua === undefined) at.error('must have one of wasm and lua');
  if (spec.wasm !== undefined) validateWasm(spec.wasm, at.at('wasm'));
  if (spec.lua !== undefined) {
    const code = spec.lua.inlineCode ?? '';
    if (code === '') at.error('is required', 'lua', 'inlineCode');
    else if (code.length > MAX_LUA)
      at.error(`must have at most ${MAX_LUA} characters, has ${code.length}`, 'lua', 'inlineCode');
  }
  validateTrafficSelectors(spec.match, at.at('match'));
}
