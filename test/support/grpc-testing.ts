import { type GrpcMethod, type GrpcServerCall, OK } from '../../src/wire/grpc/server.ts';
import type { GrpcStatus } from '../../src/wire/grpc/transport.ts';

/**
 * The messages of gRPC's interoperability tests (grpc/grpc `doc/interop-test-descriptions.md`), written and read by hand
 * as far as the tests need them, and the service that they describe.
 */

type Field = readonly [number: number, value: number | Uint8Array];

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

/** A protobuf message of numbers and length-delimited fields. */
export function encodeFields(...fields: Field[]): Buffer {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === 'number') return Buffer.from([...varint(number << 3), ...varint(value)]);
      return Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(value.length)]), value]);
    }),
  );
}

export function decodeFields(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = number();
    if ((key & 7) === 0) fields.push([key >> 3, number()]);
    else {
      const length = number();
      fields.push([key >> 3, bytes.subarray(at, at + length)]);
      at += length;
    }
  }
  return fields;
}

const EMPTY = new Uint8Array(0);
const bytesOf = (fields: Field[], wanted: number): Uint8Array =>
  (fields.find(([number]) => number === wanted)?.[1] as Uint8Array | undefined) ?? EMPTY;
const numberOf = (fields: Field[], wanted: number): number =>
  (fields.find(([number]) => number === wanted)?.[1] as number | undefined) ?? 0;

/** `Payload` with a body of zeros. */
export const payload = (size: number): Buffer => encodeFields([2, Buffer.alloc(size)]);
/** The size of the body of the `Payload` in a field. */
export const payloadSize = (message: Uint8Array, field: number): number =>
  bytesOf(decodeFields(bytesOf(decodeFields(message), field)), 2).length;

export const simpleRequest = (responseSize: number, size: number): Buffer =>
  encodeFields([2, responseSize], [3, payload(size)]);
export const streamingOutputRequest = (sizes: number[], size: number): Buffer =>
  encodeFields(...sizes.map((s): Field => [2, encodeFields([1, s])]), [3, payload(size)]);
export const echoStatus = (code: number, message: string): Buffer =>
  encodeFields([7, encodeFields([1, code], [2, Buffer.from(message)])]);
export const aggregatedSize = (message: Uint8Array): number => numberOf(decodeFields(message), 1);

const INITIAL = 'x-grpc-test-echo-initial';
const TRAILING = 'x-grpc-test-echo-trailing-bin';

function begin(call: GrpcServerCall): void {
  const value = call.metadata.get(INITIAL);
  if (value !== undefined) call.sendMetadata([[INITIAL, value]]);
}

function finish(call: GrpcServerCall, status: GrpcStatus = OK): void {
  const value = call.metadata.get(TRAILING);
  call.end(status, value === undefined ? [] : [[TRAILING, value]]);
}

function requestedStatus(fields: Field[]): GrpcStatus | undefined {
  const status = decodeFields(bytesOf(fields, 7));
  const code = numberOf(status, 1);
  return code === 0 ? undefined : { code, message: Buffer.from(bytesOf(status, 2)).toString() };
}

const ignore = () => {};

const unaryCall: GrpcMethod = (call) => ({
  onMessage(message) {
    begin(call);
    const fields = decodeFields(message);
    const status = requestedStatus(fields);
    if (status === undefined) call.send(encodeFields([1, payload(numberOf(fields, 2))]));
    finish(call, status);
  },
  onHalfClose: ignore,
  onCancel: ignore,
});

const streamingInputCall: GrpcMethod = (call) => {
  let size = 0;
  return {
    onMessage: (message) => (size += payloadSize(message, 1)),
    onHalfClose() {
      call.send(encodeFields([1, size]));
      call.end(OK);
    },
    onCancel: ignore,
  };
};

/** Answers each request at once; where a request wants an interval there is no answer at all, which is long enough. */
const outputCall: GrpcMethod = (call) => {
  begin(call);
  return {
    onMessage(message) {
      const fields = decodeFields(message);
      const status = requestedStatus(fields);
      if (status !== undefined) {
        finish(call, status);
        return;
      }
      for (const [number, value] of fields) {
        if (number !== 2) continue;
        const parameters = decodeFields(value as Uint8Array);
        if (numberOf(parameters, 2) === 0) call.send(encodeFields([1, payload(numberOf(parameters, 1))]));
      }
    },
    onHalfClose: () => finish(call),
    onCancel: ignore,
  };
};

export const TEST_SERVICE: ReadonlyMap<string, GrpcMethod> = new Map([
  [
    '/grpc.testing.TestService/EmptyCall',
    (call) => ({
      onMessage() {
        call.send(EMPTY);
        call.end(OK);
      },
      onHalfClose: ignore,
      onCancel: ignore,
    }),
  ],
  ['/grpc.testing.TestService/UnaryCall', unaryCall],
  ['/grpc.testing.TestService/StreamingInputCall', streamingInputCall],
  ['/grpc.testing.TestService/StreamingOutputCall', outputCall],
  ['/grpc.testing.TestService/FullDuplexCall', outputCall],
]);

/** Cases of gRPC's interoperability tests that every server is to pass (grpc/grpc `doc/interop-test-descriptions.md`). */
export const INTEROP_CASES: readonly string[] = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
  'rpc_soak',
];
