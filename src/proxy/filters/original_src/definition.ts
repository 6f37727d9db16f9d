import {
  type OriginalSrc,
  OriginalSrcSchema,
} from '../../../api/gen/envoy/extensions/filters/http/original_src/v3/original_src_pb.ts';
import { HeadersStatus, type HttpFilterDefinition } from '../../http/filter.ts';
import type { ForeignSource } from '../../net/socket-options.ts';
import { ORIGINAL_SOURCE } from '../../observe/filter-state.ts';

/**
 * `envoy.filters.http.original_src`: requests go upstream over connections from the address of the client that they come
 * from, as x-forwarded-for or the connection tells it, with a port of the system's choice.
 */
export const originalSrc: HttpFilterDefinition<OriginalSrc> = {
  name: 'envoy.filters.http.original_src',
  schema: OriginalSrcSchema,
  supported: { 'envoy.extensions.filters.http.original_src.v3.OriginalSrc': ['mark'] },
  compile: ({ mark }) => ({
    create: ({ info }) => ({
      requestHeaders() {
        const { remoteAddress } = info;
        if (remoteAddress.family !== 0) {
          const source: ForeignSource = { address: { ...remoteAddress, port: 0 }, mark };
          info.setFilterState(ORIGINAL_SOURCE, source);
        }
        return HeadersStatus.Continue;
      },
    }),
  }),
};
