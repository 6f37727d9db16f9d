import { toBinary } from '@bufbuild/protobuf';
import { TypedExtensionConfigSchema } from '../../api/gen/envoy/config/core/v3/extension_pb.ts';
import { type Cell, TypeUrl } from '../cell.ts';
import { EncodedCell } from '../encoded-cell.ts';
import { trafficExtensionsOf } from '../extension/traffic-extensions.ts';
import { wasmConfiguration } from '../extension/wasm.ts';
import { Memo } from '../memo.ts';
import { locationsOf } from '../origins.ts';
import { addedExtension } from '../patch/extensions.ts';
import type { ProxyView } from '../proxy-view.ts';

/** Configurations of filters that listeners only name (extension discovery). */
export class ExtensionCells {
  readonly #cells = new Memo<Cell>();

  get(proxy: ProxyView, name: string): Cell | undefined {
    const added = addedExtension(proxy.patches, name);
    if (added?.value !== undefined) {
      const { patch, value } = added;
      const encode = () => toBinary(TypedExtensionConfigSchema, value);
      return this.#cells.get([value], name, () => cellOf(name, encode, () => locationsOf([patch.origin])));
    }
    const extension = trafficExtensionsOf(proxy).find((candidate) => candidate.name === name);
    const { source, wasm } = extension ?? {};
    if (extension === undefined || wasm === undefined) return undefined;
    const encode = () => toBinary(TypedExtensionConfigSchema, wasmConfiguration(extension, wasm));
    return this.#cells.get([extension], name, () => cellOf(name, encode, () => locationsOf([source])));
  }
}

function cellOf(name: string, encode: () => Uint8Array, origins: () => ReturnType<typeof locationsOf>): Cell {
  return new EncodedCell(TypeUrl.ExtensionConfig, name, encode, origins);
}
