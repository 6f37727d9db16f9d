import zlib from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import type { TypedExtensionConfig } from '../../../api/gen/envoy/config/core/v3/extension_pb.ts';
import {
  type Brotli,
  Brotli_EncoderMode as BrotliMode,
  BrotliSchema,
} from '../../../api/gen/envoy/extensions/compression/brotli/compressor/v3/brotli_pb.ts';
import {
  type Gzip,
  GzipSchema,
  Gzip_CompressionStrategy as Strategy,
} from '../../../api/gen/envoy/extensions/compression/gzip/compressor/v3/gzip_pb.ts';
import { type Zstd, ZstdSchema } from '../../../api/gen/envoy/extensions/compression/zstd/compressor/v3/zstd_pb.ts';
import { typeNameOf } from '../../../api/registry.ts';
import { messageOf } from '../../../base/errors.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { checkSupported, type SupportTable } from '../../config/supported.ts';
import type { ZlibStream } from '../common/body-transform.ts';

/** A way to compress, as it is configured. */
export interface CompressorLibrary {
  /** What `content-encoding` calls it. */
  readonly coding: 'gzip' | 'br' | 'zstd';
  /** `LIBRARY.CODING.`, for names of statistics. */
  readonly statName: string;
  create(): ZlibStream;
}

export const SUPPORTED: SupportTable = {
  'envoy.extensions.compression.gzip.compressor.v3.Gzip': [
    'memory_level',
    'compression_level',
    'compression_strategy',
    'window_bits',
    'chunk_size',
  ],
  'envoy.extensions.compression.brotli.compressor.v3.Brotli': [
    'quality',
    'encoder_mode',
    'window_bits',
    'input_block_bits',
    'chunk_size',
    'disable_literal_context_modeling',
  ],
  'envoy.extensions.compression.zstd.compressor.v3.Zstd': [
    'compression_level',
    'enable_checksum',
    'strategy',
    'chunk_size',
  ],
};

const GZIP_STRATEGIES: Readonly<Record<number, number>> = {
  [Strategy.FILTERED]: zlib.constants.Z_FILTERED,
  [Strategy.HUFFMAN_ONLY]: zlib.constants.Z_HUFFMAN_ONLY,
  [Strategy.RLE]: zlib.constants.Z_RLE,
  [Strategy.FIXED]: zlib.constants.Z_FIXED,
};

const BROTLI_MODES: Readonly<Record<number, number>> = {
  [BrotliMode.TEXT]: zlib.constants.BROTLI_MODE_TEXT,
  [BrotliMode.FONT]: zlib.constants.BROTLI_MODE_FONT,
};

const CHUNK = 4096;

function gzip({ memoryLevel, compressionLevel, compressionStrategy, windowBits, chunkSize }: Gzip): zlib.ZlibOptions {
  return {
    memLevel: memoryLevel ?? 5,
    level: compressionLevel === 0 ? zlib.constants.Z_DEFAULT_COMPRESSION : compressionLevel,
    strategy: GZIP_STRATEGIES[compressionStrategy] ?? zlib.constants.Z_DEFAULT_STRATEGY,
    windowBits: windowBits ?? 12,
    chunkSize: chunkSize ?? CHUNK,
    flush: zlib.constants.Z_NO_FLUSH,
  };
}

function brotli(proto: Brotli): zlib.BrotliOptions {
  const { constants } = zlib;
  return {
    chunkSize: proto.chunkSize ?? CHUNK,
    params: {
      [constants.BROTLI_PARAM_QUALITY]: proto.quality ?? 3,
      [constants.BROTLI_PARAM_MODE]: BROTLI_MODES[proto.encoderMode] ?? constants.BROTLI_MODE_GENERIC,
      [constants.BROTLI_PARAM_LGWIN]: proto.windowBits ?? 18,
      [constants.BROTLI_PARAM_LGBLOCK]: proto.inputBlockBits ?? 24,
      [constants.BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING]: proto.disableLiteralContextModeling,
    },
  };
}

function zstd(proto: Zstd): zlib.ZstdOptions {
  const { constants } = zlib;
  return {
    chunkSize: proto.chunkSize ?? CHUNK,
    params: {
      [constants.ZSTD_c_compressionLevel]: proto.compressionLevel ?? constants.ZSTD_CLEVEL_DEFAULT,
      [constants.ZSTD_c_checksumFlag]: proto.enableChecksum ? 1 : 0,
      ...(proto.strategy > 0 && { [constants.ZSTD_c_strategy]: proto.strategy }),
    },
  };
}

/** Undefined and an error for what is no compression of ours. */
export function compressorLibrary(
  extension: TypedExtensionConfig | undefined,
  errors: ConfigErrors,
): CompressorLibrary | undefined {
  const any = extension?.typedConfig;
  if (extension === undefined || any === undefined) {
    errors.add('', 'is needed, with a typed_config');
    return undefined;
  }
  const at = errors.at('typed_config');
  const read = <Message extends Gzip | Brotli | Zstd>(schema: Parameters<typeof checkSupported>[0]) => {
    const message = fromBinary(schema, any.value) as Message;
    checkSupported(schema, message, SUPPORTED, at);
    return message;
  };
  try {
    switch (typeNameOf(any.typeUrl)) {
      case GzipSchema.typeName: {
        const options = gzip(read(GzipSchema));
        return { coding: 'gzip', statName: `${extension.name}.gzip.`, create: () => zlib.createGzip(options) };
      }
      case BrotliSchema.typeName: {
        const options = brotli(read(BrotliSchema));
        const create = () => zlib.createBrotliCompress(options);
        return { coding: 'br', statName: `${extension.name}.brotli.`, create };
      }
      case ZstdSchema.typeName: {
        const options = zstd(read(ZstdSchema));
        return { coding: 'zstd', statName: `${extension.name}.zstd.`, create: () => zlib.createZstdCompress(options) };
      }
      default:
        at.add('', `${any.typeUrl} is not supported`);
    }
  } catch (error) {
    at.add('', `cannot be decoded: ${messageOf(error)}`);
  }
  return undefined;
}
