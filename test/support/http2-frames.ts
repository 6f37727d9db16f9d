import type { Headers } from '../../src/wire/headers.ts';
import { type FieldSink, HpackDecoder } from '../../src/wire/hpack/decoder.ts';
import type { FieldName } from '../../src/wire/hpack/fields.ts';
import type { Output } from '../../src/wire/http.ts';
import { ErrorCode, Flag, FrameType, PREFACE } from '../../src/wire/http2/constants.ts';

/** Frames of HTTP/2 as bytes, for tests to send what no codec would. */

export function frame(type: number, flags: number, stream: number, payload: Uint8Array | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const header = Buffer.alloc(9);
  header.writeUIntBE(body.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, body]);
}

export const uint32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4);
  return bytes;
};

/** A header block of literals that leave the tables alone. */
export function block(...fields: string[]): Buffer {
  const parts: Buffer[] = [];
  const string = (text: string) => {
    const { length } = text;
    const head = length < 127 ? [length] : [127, ((length - 127) & 127) | 128, (length - 127) >> 7];
    if (head.length === 3 && head[2] > 127) head.splice(2, 1, (head[2] & 127) | 128, head[2] >> 7);
    parts.push(Buffer.from(head), Buffer.from(text, 'latin1'));
  };
  for (let i = 0; i < fields.length; i += 2) {
    parts.push(Buffer.from([0]));
    string(fields[i]);
    string(fields[i + 1]);
  }
  return Buffer.concat(parts);
}

export const GET = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'a.b'];
export const POST = [':method', 'POST', ...GET.slice(2)];
export const END = Flag.EndStream | Flag.EndHeaders;

export const headers = (stream: number, flags: number, ...fields: string[]): Buffer =>
  frame(FrameType.Headers, flags, stream, block(...fields));
export const data = (stream: number, flags: number, payload: Uint8Array | string): Buffer =>
  frame(FrameType.Data, flags, stream, payload);
export const rst = (stream: number, code: number): Buffer => frame(FrameType.RstStream, 0, stream, uint32(code));
export const windowUpdate = (stream: number, by: number): Buffer =>
  frame(FrameType.WindowUpdate, 0, stream, uint32(by));
export const goAway = (last: number, code: number): Buffer => frame(FrameType.GoAway, 0, 0, uint32(last, code));
export const ping = (flags: number, payload: string): Buffer => frame(FrameType.Ping, flags, 0, payload);

export function settings(...pairs: [number, number][]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [i, [identifier, value]] of pairs.entries()) {
    payload.writeUInt16BE(identifier, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  }
  return frame(FrameType.Settings, 0, 0, payload);
}

export const SETTINGS_ACK = frame(FrameType.Settings, Flag.Ack, 0);
/** How a client begins. */
export const HELLO = Buffer.concat([Buffer.from(PREFACE, 'latin1'), settings()]);

const CODE_NAMES = new Map<number, string>(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

class Fields implements FieldSink {
  readonly texts: string[] = [];
  field(name: FieldName, value: string): void {
    this.texts.push(`${name.text}=${value}`);
  }
}

/** Takes what a codec writes and tells it as one line a frame. */
export class FrameLog implements Output {
  #bytes = Buffer.alloc(0);
  #preface: boolean;
  readonly #decoder = new HpackDecoder();
  /** Number of calls, to see what leaves in one piece. */
  writes = 0;

  constructor(expectPreface = false) {
    this.#preface = expectPreface;
  }

  write(chunk: Uint8Array): void {
    this.writes++;
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
  }

  writeLatin1(text: string): void {
    this.write(Buffer.from(text, 'latin1'));
  }

  /** The raw bytes since the last call, instead of their lines. */
  takeBytes(): Buffer {
    const bytes = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    return bytes;
  }

  /** The frames since the last call. */
  take(): string[] {
    const lines: string[] = [];
    let bytes = this.takeBytes();
    if (this.#preface && bytes.length > 0) {
      if (bytes.toString('latin1', 0, PREFACE.length) !== PREFACE) throw new Error('no preface');
      bytes = bytes.subarray(PREFACE.length);
      this.#preface = false;
    }
    while (bytes.length > 0) {
      const length = bytes.readUIntBE(0, 3);
      if (bytes.length < 9 + length) throw new Error('frame cut short');
      lines.push(this.#line(bytes[3], bytes[4], bytes.readUInt32BE(5), bytes.subarray(9, 9 + length)));
      bytes = bytes.subarray(9 + length);
    }
    return lines;
  }

  #line(type: number, flags: number, stream: number, payload: Buffer): string {
    const end = flags & Flag.EndStream ? ' end' : '';
    switch (type) {
      case FrameType.Data:
        return `DATA ${stream} ${payload.length}${end}`;
      case FrameType.Headers: {
        const fields = new Fields();
        if (!this.#decoder.decode(payload, 0, payload.length, fields)) throw new Error('bad header block');
        return `HEADERS ${stream} ${fields.texts.join(' ')}${end}`;
      }
      case FrameType.RstStream:
        return `RST_STREAM ${stream} ${CODE_NAMES.get(payload.readUInt32BE(0))}`;
      case FrameType.Settings: {
        if (flags & Flag.Ack) return 'SETTINGS ack';
        const pairs: string[] = [];
        for (let at = 0; at < payload.length; at += 6) {
          pairs.push(`${payload.readUInt16BE(at)}=${payload.readUInt32BE(at + 2)}`);
        }
        return ['SETTINGS', ...pairs].join(' ');
      }
      case FrameType.Ping:
        return `PING ${flags & Flag.Ack ? 'ack ' : ''}${payload.toString('hex')}`;
      case FrameType.GoAway:
        return `GOAWAY ${payload.readUInt32BE(0)} ${CODE_NAMES.get(payload.readUInt32BE(4))}`;
      case FrameType.WindowUpdate:
        return `WINDOW_UPDATE ${stream} ${payload.readUInt32BE(0)}`;
      default:
        return `frame ${type} ${flags} ${stream} ${payload.toString('hex')}`;
    }
  }
}

export const pairsOf = (of: Headers): string => [...of].map(([name, value]) => `${name}=${value}`).join(' ');
