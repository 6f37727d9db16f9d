import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  RateLimitRequestSchema,
  type RateLimitResponse,
  RateLimitResponseSchema,
} from '../../../api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import { fromWireForm } from '../../../base/bytes.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import { HITS_ADDEND } from '../../observe/filter-state.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import type { RateLimitDescriptor } from '../../router/rate-limits.ts';
import type { GrpcService } from '../common/grpc-service.ts';

const SHOULD_RATE_LIMIT = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit';

/** Asks a service that counts requests for many proxies. */
export class RateLimitService {
  readonly #service: GrpcService;

  constructor(service: GrpcService) {
    this.#service = service;
  }

  /** `done` comes once, maybe from within, with undefined if there is no answer; never after `cancel`. */
  ask(
    domain: string,
    descriptors: readonly RateLimitDescriptor[],
    info: StreamInfo,
    done: (response: RateLimitResponse | undefined) => void,
  ): Cancelable {
    const hits = info.getFilterState(HITS_ADDEND);
    const request = create(RateLimitRequestSchema, {
      domain,
      hitsAddend: typeof hits === 'number' ? hits : 0,
      descriptors: descriptors.map(({ entries, limit, hits: own }) => ({
        entries: entries.map(([key, value]) => ({ key: fromWireForm(key), value: fromWireForm(value) })),
        limit,
        hitsAddend: own === undefined ? undefined : BigInt(Math.abs(own)),
        isNegativeHits: own !== undefined && own < 0,
      })),
    });
    const message = toBinary(RateLimitRequestSchema, request);
    return this.#service.unary(SHOULD_RATE_LIMIT, message, info, (result) => done(decode(result)));
  }
}

function decode(result: Parameters<Parameters<GrpcService['unary']>[3]>[0]): RateLimitResponse | undefined {
  if (!(result instanceof Uint8Array)) return undefined;
  try {
    return fromBinary(RateLimitResponseSchema, result);
  } catch {
    return undefined;
  }
}
