import { StatGroup } from '../../observe/stats.ts';

const NONE: ReadonlySet<string> = new Set();

/** What became of responses by their accept-encoding (Envoy's `compressor.LIBRARY.CODING.`). */
export class CompressorHeaderStats extends StatGroup {
  readonly gauges = NONE;
  header_compressor_overshadowed = 0;
  header_compressor_used = 0;
  header_identity = 0;
  header_not_valid = 0;
  header_wildcard = 0;
  no_accept_header = 0;
  not_compressed_etag = 0;
}

/** What became of the messages of one direction. */
export class CompressorStats extends StatGroup {
  readonly gauges = NONE;
  compressed = 0;
  content_length_too_small = 0;
  not_compressed = 0;
  total_compressed_bytes = 0;
  total_uncompressed_bytes = 0;
}
