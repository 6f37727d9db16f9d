import net from 'node:net';
import type { TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '@bufbuild/protobuf';
import { HpackDecoder } from '../../src/wire/hpack/decoder.ts';
import { ErrorCode, Flag, FrameType } from '../../src/wire/http2/constants.ts';
import { httpListener, named } from './envoy-config.ts';
import { END, GET, headers } from './http2-frames.ts';
import { type Twins, twinProxies } from './twin-proxies.ts';

/** Conversations of HTTP/2, frame by frame, with proxies that answer by themselves. */

/** Answers come when all of a request has: otherwise it would be a matter of time what is still looked at. */
const BUFFER = named('envoy.filters.http.buffer', 'http.buffer.v3.Buffer', { max_request_bytes: 10_000 });

interface Kind {
  readonly manager: JsonObject;
}

export const LISTENERS: Readonly<Record<string, Kind>> = {
  buffered: { manager: {} },
  strict: {
    manager: {
      common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST', max_headers_count: 12 },
      max_request_headers_kb: 2,
    },
  },
  /** A message that is wrong ends its stream and not the connection. */
  lenient: {
    manager: {
      http2_protocol_options: { override_stream_error_on_invalid_http_message: true },
      common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' },
    },
  },
};

/** What the answer tells of the request. */
const SEEN = [':METHOD', ':SCHEME', ':PATH', ':AUTHORITY', 'X-A', 'X_UNDER', 'COOKIE', 'TE', 'CONTENT-LENGTH']
  .map((name) => `%REQ(${name})%`)
  .join('|');
const ANSWER: JsonObject = {
  match: { prefix: '/' },
  direct_response: { status: 200, body: { inline_string: 'answer' } },
  response_headers_to_add: [{ header: { key: 'x-seen', value: `${SEEN}|%BYTES_RECEIVED%` } }],
};

/** The stream whose answer tells that all the others had their time. */
const LAST = 201;
const PROBE = headers(LAST, END, ...GET, 'x-a', 'probe');

/** The frames of some bytes. */
export function split(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at + 9 <= bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}

const CODES = new Map<number, string>(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

/** Reads what a server sends, and keeps it by stream. */
class Reader {
  readonly streams = new Map<number, string[]>();
  readonly goAways: string[] = [];
  pings = 0;
  ended = false;
  #bytes = Buffer.alloc(0);
  readonly #decoder = new HpackDecoder();

  read(more: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, more]);
    for (;;) {
      const bytes = this.#bytes;
      if (bytes.length < 9) return;
      const length = bytes.readUIntBE(0, 3);
      if (bytes.length < 9 + length) return;
      this.#frame(bytes[3]!, bytes[4]!, bytes.readUInt32BE(5), bytes.subarray(9, 9 + length));
      this.#bytes = bytes.subarray(9 + length);
    }
  }

  #frame(type: number, flags: number, stream: number, payload: Buffer): void {
    const lines = this.streams.get(stream) ?? [];
    if (stream !== 0) this.streams.set(stream, lines);
    const end = flags & Flag.EndStream ? ' end' : '';
    switch (type) {
      case FrameType.Headers: {
        const fields: string[] = [];
        const field = (name: { readonly text: string }, value: string) =>
          fields.push(`${name.text}=${name.text === 'date' ? 'D' : value}`);
        if (!this.#decoder.decode(payload, 0, payload.length, { field })) lines.push('bad block');
        lines.push(fields.sort().join(' ') + end);
        break;
      }
      case FrameType.Data:
        if (lines.at(-1)?.startsWith('data ') && !lines.at(-1)!.endsWith(' end'))
          lines.push(lines.pop()! + payload + end);
        else lines.push(`data ${payload}${end}`);
        break;
      case FrameType.RstStream:
        lines.push(`reset ${CODES.get(payload.readUInt32BE(0))}`);
        break;
      case FrameType.GoAway:
        this.goAways.push(CODES.get(payload.readUInt32BE(4)) ?? 'unknown');
        break;
      case FrameType.Ping:
        this.pings++;
        break;
      default:
    }
  }

  over(stream: number): boolean {
    const last = this.streams.get(stream)?.at(-1) ?? '';
    return last.endsWith(' end') || last.startsWith('reset');
  }
}

export interface Observation {
  /** What came on each stream, if the connection lived. */
  readonly streams: Readonly<Record<string, readonly string[]>>;
  /** Why the connection was ended. */
  readonly goAway: readonly string[];
  readonly closed: boolean;
  readonly pings: number;
}

/** Sends the frames, then a request of which the answer is waited for. What comes for the streams `resets` is not told. */
export function converse(
  port: number,
  opening: Buffer,
  frames: readonly Buffer[],
  resets: readonly number[],
): Promise<Observation> {
  const bytes = Buffer.concat([opening, ...frames, PROBE]);
  return new Promise((resolve) => {
    const reader = new Reader();
    let quiet: NodeJS.Timeout | undefined;
    let closed = false;
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, () => socket.write(bytes));
    const done = () => {
      clearTimeout(quiet);
      clearTimeout(limit);
      socket.destroy();
      // Whether the rest of a request has come when its answer goes out, or its end by the client, is a matter of time.
      for (const lines of reader.streams.values()) {
        if (lines.at(-1) === 'reset NoError') lines.pop();
        if (lines.at(-1)?.startsWith('reset') && lines[0] === ':status=100') lines.shift();
      }
      for (const stream of resets) reader.streams.delete(stream);
      const streams = Object.fromEntries(
        [...reader.streams].sort(([a], [b]) => a - b).map(([id, l]) => [String(id), l]),
      );
      resolve({ streams, goAway: reader.goAways, closed, pings: reader.pings });
    };
    const limit = setTimeout(done, 3000);
    socket.on('data', (more: Buffer) => {
      reader.read(more);
      clearTimeout(quiet);
      if (reader.over(LAST)) quiet = setTimeout(done, 100);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!socket.destroyed || !closed) closed = true;
      done();
    });
  });
}

/**
 * Of a connection that both end only the reason is compared, where both tell it: Envoy reads all that has come before it
 * writes anything, and drops the answers and often the GOAWAY too.
 */
export function same(ours: Observation, envoys: Observation): boolean {
  if (!ours.closed || !envoys.closed) return isDeepStrictEqual(ours, envoys);
  return ours.goAway.length === 0 || envoys.goAway.length === 0 || isDeepStrictEqual(ours.goAway, envoys.goAway);
}

/** Proxies that answer every request themselves, on the listeners of {@link LISTENERS}. */
export function answeringProxies(t: TestContext): Promise<Twins> {
  return twinProxies(t, {
    backends: () => ({}),
    listeners: Object.keys(LISTENERS),
    bootstrap: (env) => ({
      static_resources: {
        listeners: Object.entries(LISTENERS).map(([name, { manager }]) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            manager: { codec_type: 'HTTP2', delayed_close_timeout: '0.02s', ...manager },
            filters: [BUFFER],
            routes: [ANSWER],
          }),
        ),
      },
    }),
  });
}
