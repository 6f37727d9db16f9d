import type { Wasm } from '../kinds/shared/wasm.ts';
import type { Report } from '../report.ts';
import { checkPluginUrl } from './urls.ts';

/** The rules for where a WebAssembly module comes from and how it runs. */
export function validateWasm(wasm: Wasm, report: Report): void {
  if (!wasm.url) report.error('is required', 'url');
  else report.check(checkPluginUrl(wasm.url), 'url');
  if (wasm.sha256 && !/^[a-f0-9]{64}$/.test(wasm.sha256))
    report.error('must be 64 digits and letters a to f', 'sha256');
  checkLength(wasm.imagePullSecret, 253, report, 'imagePullSecret');
  checkLength(wasm.pluginName, 256, report, 'pluginName');
  const names = new Set<string>();
  for (const [i, { name, value, valueFrom = 'INLINE' }] of (wasm.vmConfig?.env ?? []).entries()) {
    const at = report.at('vmConfig', 'env', i);
    if (!name) {
      at.error('is required', 'name');
      continue;
    }
    checkLength(name, 256, at, 'name');
    if (names.has(name)) at.error(`is the second variable named ${name}`, 'name');
    names.add(name);
    if (valueFrom === 'HOST' && value) at.error('must not be set when valueFrom is HOST', 'value');
  }
}

function checkLength(text: string | undefined, max: number, report: Report, field: string): void {
  if (text !== undefined && Buffer.byteLength(text) > max) report.error(`must have at most ${max} bytes`, field);
}
