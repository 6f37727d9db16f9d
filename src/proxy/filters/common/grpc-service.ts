import { create } from '@bufbuild/protobuf';
import { HeaderValueOptionSchema } from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { GrpcService as Proto } from '../../../api/gen/envoy/config/core/v3/grpc_service_pb.ts';
import { type GrpcCall, GrpcCode, type GrpcStatus } from '../../../wire/grpc/transport.ts';
import { Headers } from '../../../wire/headers.ts';
import type { Cancelable, ClusterSource } from '../../cluster/cluster.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { SupportTable } from '../../config/supported.ts';
import { ClusterGrpcTransport } from '../../grpc/cluster-transport.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import { type HeaderEdits, headerEdits } from '../../router/header-edits.ts';
import type { Timer, Timers } from '../../timers.ts';

/** Messages that {@link grpcService} reads. */
export const GRPC_SERVICE: SupportTable = {
  'envoy.config.core.v3.GrpcService': ['envoy_grpc', 'timeout', 'initial_metadata'],
  'envoy.config.core.v3.GrpcService.EnvoyGrpc': ['cluster_name', 'authority'],
};

/** A gRPC service behind a cluster, asked with one message at a time. */
export interface GrpcService {
  /** Sends a message and waits for the answer. `done` comes once, maybe from within, and never after `cancel`. */
  unary(
    path: string,
    message: Uint8Array,
    info: StreamInfo,
    done: (result: Uint8Array | GrpcStatus) => void,
  ): Cancelable;
}

interface Context {
  readonly clusters: ClusterSource;
  readonly timers: Timers;
  /** Address of this proxy. */
  readonly localAddress: string;
}

/** Compiles `envoy.config.core.v3.GrpcService`. `timeoutMs`: how long a call may take; 0 for any time. */
export function grpcService(
  proto: Proto | undefined,
  context: Context,
  timeoutMs: number,
  errors: ConfigErrors,
): GrpcService {
  const target = proto?.targetSpecifier;
  if (target?.case !== 'envoyGrpc' || target.value.clusterName === '') {
    errors.add(target?.case === 'envoyGrpc' ? 'envoy_grpc.cluster_name' : 'envoy_grpc', 'is needed');
    return { unary: () => ({ cancel() {} }) };
  }
  const { clusterName, authority } = target.value;
  const edits = headerEdits(
    proto!.initialMetadata.map((header) => create(HeaderValueOptionSchema, { header })),
    [],
    errors,
    'initial_metadata',
  );
  const { clusters, timers, localAddress } = context;
  const transport = new ClusterGrpcTransport(clusters, clusterName, {
    authority: authority || clusterName,
    timeoutMs: timeoutMs > 0 ? timeoutMs : undefined,
    metadata: [
      ['x-envoy-internal', 'true'],
      ['x-forwarded-for', localAddress],
    ],
  });
  return {
    unary(path, message, info, done) {
      let response: Uint8Array | undefined;
      let timer: Timer | undefined;
      let over = false;
      const finish = (result: Uint8Array | GrpcStatus) => {
        if (over) return;
        over = true;
        timer?.cancel();
        done(result);
      };
      const call: GrpcCall = transport.call(path, metadataOf(edits, info), {
        onMessage(bytes) {
          response = bytes;
        },
        onEnd(status) {
          const missing = { code: GrpcCode.Internal, message: 'the response has no message' };
          finish(status.code === GrpcCode.Ok ? (response ?? missing) : status);
        },
      });
      if (timeoutMs > 0 && !over) {
        timer = timers.start(timeoutMs, () => {
          call.cancel();
          finish({ code: GrpcCode.DeadlineExceeded, message: `no answer within ${timeoutMs} ms` });
        });
      }
      call.send(message);
      call.end();
      return {
        cancel() {
          if (over) return;
          over = true;
          timer?.cancel();
          call.cancel();
        },
      };
    },
  };
}

function metadataOf(edits: HeaderEdits | undefined, info: StreamInfo): readonly (readonly [string, string])[] {
  if (edits === undefined) return [];
  const headers = Headers.request('', '', '');
  edits(headers, info);
  return [...headers];
}
