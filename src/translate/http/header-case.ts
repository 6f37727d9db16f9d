import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Http1ProtocolOptions_HeaderKeyFormatSchema } from '../../api/gen/envoy/config/core/v3/protocol_pb.ts';
import { PreserveCaseFormatterConfigSchema } from '../../api/gen/envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case_pb.ts';
import { extension } from '../proto/any.ts';

/** Names of HTTP/1.1 headers are written as they were read. */
export const PRESERVE_CASE: MessageInitShape<typeof Http1ProtocolOptions_HeaderKeyFormatSchema> = {
  headerFormat: {
    case: 'statefulFormatter',
    value: extension('preserve_case', PreserveCaseFormatterConfigSchema, {}),
  },
};
