import zlib from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import type { TypedExtensionConfig } from '../../../api/gen/envoy/config/core/v3/extension_pb.ts';
import { BrotliSchema } from '../../../api/gen/envoy/extensions/compression/brotli/decompressor/v3/brotli_pb.ts';
import { GzipSchema } from '../../../api/gen/envoy/extensions/compression/gzip/decompressor/v3/gzip_pb.ts';
import { ZstdSchema } from '../../../api/gen/envoy/extensions/compression/zstd/decompressor/v3/zstd_pb.ts';
import { typeNameOf } from '../../../api/registry.ts';
import { messageOf } from '../../../base/errors.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { checkSupported, type SupportTable } from '../../config/supported.ts';
import type { ZlibStream } from '../common/body-transform.ts';

/** A way to decompress, as it is configured. */
export interface DecompressorLibrary {
  readonly coding: 'gzip' | 'br' | 'zstd';
  /** `LIBRARY.CODING.`, for names of statistics. */
  readonly statName: string;
  /** How many times longer than what came the result may be. */
  readonly maxRatio: number;
  create(): ZlibStream;
}

export const SUPPORTED: SupportTable = {
  'envoy.extensions.compression.gzip.decompressor.v3.Gzip': ['window_bits', 'chunk_size', 'max_inflate_ratio'],
  'envoy.extensions.compression.brotli.decompressor.v3.Brotli': ['disable_ring_buffer_reallocation', 'chunk_size'],
  'envoy.extensions.compression.zstd.decompressor.v3.Zstd': ['chunk_size'],
};

const CHUNK = 4096;
const MAX_RATIO = 100;

/** Undefined and an error for what is no compression of ours. */
export function decompressorLibrary(
  extension: TypedExtensionConfig | undefined,
  errors: ConfigErrors,
): DecompressorLibrary | undefined {
  const any = extension?.typedConfig;
  if (extension === undefined || any === undefined) {
    errors.add('', 'is needed, with a typed_config');
    return undefined;
  }
  const at = errors.at('typed_config');
  const { name } = extension;
  try {
    switch (typeNameOf(any.typeUrl)) {
      case GzipSchema.typeName: {
        const proto = fromBinary(GzipSchema, any.value);
        checkSupported(GzipSchema, proto, SUPPORTED, at);
        const options = { windowBits: proto.windowBits ?? 15, chunkSize: proto.chunkSize ?? CHUNK };
        const maxRatio = proto.maxInflateRatio ?? MAX_RATIO;
        return { coding: 'gzip', statName: `${name}.gzip.`, maxRatio, create: () => zlib.createGunzip(options) };
      }
      case BrotliSchema.typeName: {
        const proto = fromBinary(BrotliSchema, any.value);
        checkSupported(BrotliSchema, proto, SUPPORTED, at);
        const create = () => zlib.createBrotliDecompress({ chunkSize: proto.chunkSize ?? CHUNK });
        return { coding: 'br', statName: `${name}.brotli.`, maxRatio: MAX_RATIO, create };
      }
      case ZstdSchema.typeName: {
        const proto = fromBinary(ZstdSchema, any.value);
        checkSupported(ZstdSchema, proto, SUPPORTED, at);
        const create = () => zlib.createZstdDecompress({ chunkSize: proto.chunkSize ?? CHUNK });
        return { coding: 'zstd', statName: `${name}.zstd.`, maxRatio: MAX_RATIO, create };
      }
      default:
        at.add('', `${any.typeUrl} is not supported`);
    }
  } catch (error) {
    at.add('', `cannot be decoded: ${messageOf(error)}`);
  }
  return undefined;
}
