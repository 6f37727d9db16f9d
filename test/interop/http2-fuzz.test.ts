import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { ErrorCode, Flag, FrameType } from '../../src/wire/http2/constants.ts';
import { Fuzz } from '../support/fuzz.ts';
import {
  answeringProxies,
  converse,
  LISTENERS,
  type Observation,
  same,
  split,
} from '../support/http2-conversations.ts';
import {
  block,
  data,
  END,
  frame,
  GET,
  goAway,
  HELLO,
  headers,
  POST,
  ping,
  rst,
  SETTINGS_ACK,
  settings,
  uint32,
  windowUpdate,
} from '../support/http2-frames.ts';
import { withoutReference } from '../support/reference.ts';
import type { Twin } from '../support/twin-proxies.ts';

const FIELDS: readonly (readonly [string, string])[] = [
  ['x-a', '1'],
  ['x-a', ''],
  ['x-a', ' spaced '],
  ['x-a', 'a\tb'],
  ['x-a', 'a\u0000b'],
  ['x-a', 'a\rb'],
  ['x-a', 'a\nb'],
  ['x-a', '\u0001'],
  ['x-a', 'a\u007fb'],
  ['x-a', '\u00c3\u00a4'],
  ['x-a', 'x'.repeat(1500)],
  ['X-A', '1'],
  ['x a', '1'],
  ['x@a', '1'],
  ['x!#$%', '1'],
  ['', '1'],
  ['x_under', '1'],
  ['cookie', 'a=1'],
  ['cookie', 'b=2'],
  ['te', 'trailers'],
  ['te', 'gzip'],
  ['connection', 'close'],
  ['connection', 'x-a'],
  ['keep-alive', '1'],
  ['proxy-connection', 'close'],
  ['transfer-encoding', 'chunked'],
  ['upgrade', 'websocket'],
  ['host', 'a.b'],
  ['host', 'other'],
  ['content-length', '3'],
  ['content-length', '0'],
  ['content-length', '4'],
  ['content-length', '-1'],
  ['content-length', 'x'],
  ['expect', '100-continue'],
  [':path', '/late'],
  [':method', 'GET'],
  [':unknown', '1'],
  [':status', '200'],
  [':protocol', 'websocket'],
  [':', '1'],
  ['x-forwarded-proto', 'https'],
  ['user-agent', 'fuzz'],
];

const PSEUDO: Readonly<Record<string, readonly string[]>> = {
  ':method': ['GET', 'POST', 'HEAD', 'OPTIONS', 'CONNECT', 'get', 'G@T', '', 'BREW'],
  ':scheme': ['http', 'https', 'HTTP', 'ftp', '', 'h p'],
  ':path': ['/', '/a?b=c', '*', '', 'a', '/a b', '/\u00c3\u00a4', '/a#b', 'http://a.b/', '/\u0000', '/../a'],
  ':authority': ['a.b', 'a.b:80', '', 'u@a.b', 'a b', 'a.b/', '[::1]', 'A.B', 'a_b', 'a.b,c'],
};

function fieldsOf(f: Fuzz, method: string): string[] {
  const fields = [':method', method, ...GET.slice(2)];
  if (f.chance(0.3)) {
    const name = f.one(Object.keys(PSEUDO));
    const at = fields.indexOf(name);
    if (f.chance(0.25)) fields.splice(at, 2);
    else fields[at + 1] = f.one(PSEUDO[name]!);
  }
  const more = f.chance(0.6) ? f.some(FIELDS, 3) : [];
  for (const [name, value] of more) fields.push(name, value);
  if (f.chance(0.03)) fields.push(...Array.from({ length: 20 }, (_, i) => [`x-${i}`, '1']).flat());
  return fields;
}

/** Blocks of HPACK that `block` would not write: indices, tables, Huffman. */
const ODD_BLOCKS: readonly (readonly number[])[] = [
  [0x82, 0x86, 0x84, 0x41, 0x03, 0x61, 0x2e, 0x62],
  [0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff],
  [0x82, 0x86, 0x84, 0x41, 0x81, 0xff],
  [0x82, 0x86, 0x84, 0x41, 0x03, 0x61, 0x2e, 0x62, 0xbe],
  [0x82, 0x86, 0x84, 0x41, 0x03, 0x61, 0x2e, 0x62, 0xbf],
  [0x20, 0x82, 0x86, 0x84, 0x41, 0x03, 0x61, 0x2e, 0x62],
  [0x3f, 0xe1, 0x1f, 0x82, 0x86, 0x84, 0x41, 0x03, 0x61, 0x2e, 0x62],
  [0x3f, 0xe2, 0x1f, 0x82, 0x86, 0x84, 0x41, 0x03, 0x61, 0x2e, 0x62],
  [0x82, 0x20, 0x86, 0x84, 0x41, 0x03, 0x61, 0x2e, 0x62],
  [0x80],
  [0x82, 0x86, 0x84, 0x41, 0x09, 0x61],
  [0x82, 0x86, 0x84, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [],
];

function padded(f: Fuzz, type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const room = f.one([0, 1, 7, 255]);
  const told = f.chance(0.9) ? room : Math.min(255, room + payload.length + 1);
  return frame(type, flags | Flag.Padded, stream, Buffer.concat([Buffer.from([told]), payload, Buffer.alloc(room)]));
}

/** A header block as HEADERS and, perhaps, CONTINUATIONs, with padding and a priority at times. */
function head(f: Fuzz, stream: number, flags: number, fields: Buffer): Buffer {
  const first: Buffer[] = [];
  let more = 0;
  if (f.chance(0.15)) {
    more = Flag.Priority;
    first.push(uint32(f.one([0, 1, stream, 0x80000003, 99])), Buffer.from([f.one([0, 15, 255])]));
  }
  const cuts = f.chance(0.25) ? [f.below(fields.length + 1), f.below(fields.length + 1)].sort((a, b) => a - b) : [];
  const parts = [...cuts, fields.length].map((to, i) => fields.subarray(i === 0 ? 0 : cuts[i - 1], to));
  const opening = Buffer.concat([...first, parts[0]!]);
  const last = (i: number) => (i === parts.length - 1 ? Flag.EndHeaders : 0);
  const out = f.chance(0.15)
    ? [padded(f, FrameType.Headers, flags | more | last(0), stream, opening)]
    : [frame(FrameType.Headers, flags | more | last(0), stream, opening)];
  for (const [i, part] of parts.entries()) {
    if (i > 0) out.push(frame(FrameType.Continuation, last(i), f.chance(0.97) ? stream : stream + 2, part));
  }
  if (parts.length > 1 && f.chance(0.06)) out.splice(1, 0, f.one([ping(0, '12345678'), data(stream, 0, 'x')]));
  if (parts.length > 1 && f.chance(0.04)) out.pop();
  return Buffer.concat(out);
}

function request(f: Fuzz, stream: number): Buffer[] {
  if (f.chance(0.12)) return [head(f, stream, Flag.EndStream, Buffer.from(f.one(ODD_BLOCKS)))];
  if (f.chance(0.45)) return [head(f, stream, Flag.EndStream, block(...fieldsOf(f, 'GET')))];
  const out = [head(f, stream, 0, block(...fieldsOf(f, 'POST')))];
  for (let n = f.below(3); n > 0; n--) {
    const bytes = f.one(['', 'a', 'abc', 'x'.repeat(60)]);
    out.push(f.chance(0.2) ? padded(f, FrameType.Data, 0, stream, Buffer.from(bytes)) : data(stream, 0, bytes));
  }
  switch (f.below(8)) {
    case 0:
      out.push(head(f, stream, Flag.EndStream, block(...f.some(FIELDS, 2).flat())));
      break;
    case 1:
      out.push(head(f, stream, f.one([0, Flag.EndStream]), block('x-t', '1')));
      break;
    case 2:
      out.push(rst(stream, f.one([0, 1, 8, 99])));
      break;
    default:
      out.push(data(stream, Flag.EndStream, f.one(['', 'abc'])));
  }
  // Behind the end of the stream.
  if (f.chance(0.06)) out.push(f.one([data(stream, 0, 'late'), headers(stream, END, 'x-t', '2'), rst(stream, 8)]));
  return out;
}

/** A frame that is no part of a request. */
function oddity(f: Fuzz, stream: number): Buffer {
  const any = f.one([0, 1, stream, stream + 2, 2, 1001]);
  switch (f.below(12)) {
    case 0:
      return windowUpdate(any, f.one([0, 1, 1000, 0x7fffffff, 0x80000001]));
    case 1:
      return frame(FrameType.WindowUpdate, 0, any, f.one(['', 'abc', 'abcde']));
    case 2:
      return rst(any, f.below(16));
    case 3:
      return frame(FrameType.RstStream, 0, any, f.one(['', 'abc', 'abcde']));
    case 4:
      return frame(
        FrameType.Priority,
        0,
        any,
        f.one([Buffer.alloc(5), Buffer.alloc(4), uint32(any, 0).subarray(0, 5)]),
      );
    case 5:
      return settings(
        f.one<[number, number]>([
          [1, 0],
          [1, 100],
          [2, 0],
          [2, 1],
          [2, 2],
          [3, 0],
          [4, 0x7fffffff],
          [4, 0x80000000],
          [5, 16384],
          [5, 16383],
          [5, 0xffffff],
          [5, 0x1000000],
          [6, 100],
          [8, 0],
          [8, 1],
          [8, 2],
          [99, 1],
        ]),
      );
    case 6:
      return f.one([
        frame(FrameType.Settings, 0, 0, 'abc'),
        frame(FrameType.Settings, 0, 1),
        frame(FrameType.Settings, Flag.Ack, 0, '123456'),
        settings(),
      ]);
    case 7:
      return f.one([
        ping(0, '12345678'),
        ping(Flag.Ack, '12345678'),
        ping(0, '1234567'),
        frame(FrameType.Ping, 0, 1, '12345678'),
      ]);
    case 8:
      return frame(FrameType.PushPromise, Flag.EndHeaders, any, Buffer.concat([uint32(2), block(...GET)]));
    case 9:
      return frame(f.one([10, 12, 0x42, 0xff]), f.below(256), any, f.one(['', 'whatever']));
    case 10:
      return f.one([data(any, 0, 'x'), frame(FrameType.Continuation, Flag.EndHeaders, any, block('x-t', '1'))]);
    default:
      return f.one([
        goAway(0, 0),
        goAway(5, 1),
        frame(FrameType.GoAway, 0, 1, uint32(0, 0)),
        frame(FrameType.GoAway, 0, 0, 'abc'),
      ]);
  }
}

function conversation(f: Fuzz): Buffer[] {
  const out: Buffer[] = [];
  let stream = 1;
  for (let n = 1 + f.below(4); n > 0; n--) {
    if (f.chance(0.7)) {
      out.push(...request(f, stream));
      stream += f.chance(0.05) ? 4 : 2;
    } else if (f.chance(0.1)) {
      for (let i = 0; i < 5; i++, stream += 2) out.push(headers(stream, END, ...POST), rst(stream, ErrorCode.Cancel));
    } else {
      out.push(oddity(f, stream));
    }
  }
  // Frames of two streams between one another.
  if (out.length > 2 && f.chance(0.1)) {
    const at = f.below(out.length - 1);
    out.splice(at, 2, out[at + 1]!, out[at]!);
  }
  return out;
}

/** Whether a frame that names a stream depends on itself. */
function dependsOnItself(frame: Buffer, type: number): boolean {
  if (frame[3] !== type || (type === FrameType.Headers && !(frame[4]! & Flag.Priority))) return false;
  const at = 9 + (frame[4]! & Flag.Padded && type === FrameType.Headers ? 1 : 0);
  return frame.length >= at + 4 && (frame.readUInt32BE(at) & 0x7fffffff) === frame.readUInt32BE(5);
}

/** Whether a frame is for a stream that the client resets, so that nobody sees whether Envoy did before, or that Envoy resets. */
function isForReset(one: Buffer, frames: readonly Buffer[], envoys: Observation): boolean {
  const stream = one.readUInt32BE(5);
  if (stream === 0 || one[3] === FrameType.Priority) return false;
  const isReset = (other: Buffer) => other[3] === FrameType.RstStream && other.readUInt32BE(5) === stream;
  return frames.some(isReset) || (envoys.streams[stream]?.at(-1)?.startsWith('reset') ?? false);
}

/** Whether a frame is for a stream that we reset, behind the end that the client made of it. */
function isBehindEnd(one: Buffer, before: readonly Buffer[], ours: Observation): boolean {
  const stream = one.readUInt32BE(5);
  const types: readonly (number | undefined)[] = [FrameType.Data, FrameType.Headers];
  const ends = (other: Buffer) =>
    types.includes(other[3]) && (other[4]! & Flag.EndStream) !== 0 && other.readUInt32BE(5) === stream;
  return (
    types.includes(one[3]) && (ours.streams[stream]?.includes('reset ProtocolError') ?? false) && before.some(ends)
  );
}

/** Where we say something else: tells whether a difference is one of these. */
const EXCEPTIONS: readonly {
  readonly because: string;
  readonly applies: (ours: Observation, envoys: Observation, frames: readonly Buffer[]) => boolean;
}[] = [
  {
    because: 'Envoy does not look at what PRIORITY says; we end its stream or the connection, as h2spec has it',
    applies: (ours, envoys, frames) =>
      (ours.goAway[0] === 'ProtocolError' || !envoys.closed) &&
      frames.some(
        (one) =>
          dependsOnItself(one, FrameType.Priority) || (one[3] === FrameType.Priority && one.readUInt32BE(5) === 0),
      ),
  },
  {
    because: 'Envoy ends the connection for a request that depends on itself; we end the request, as h2spec has it',
    applies: (_, envoys, frames) => envoys.closed && frames.some((one) => dependsOnItself(one, FrameType.Headers)),
  },
  {
    because: 'Envoy ends the connection for a GOAWAY that names a stream; we let a client say what it likes there',
    applies: (_, envoys, frames) =>
      envoys.closed && frames.some((one) => one[3] === FrameType.GoAway && one.length >= 13 && one.readUInt32BE(9) > 0),
  },
  {
    because:
      'Envoy does not look at what follows the end that the client or an error made of a stream; we do, as h2spec has it',
    applies: (ours, envoys, frames) =>
      ours.closed && !envoys.closed && frames.some((one) => isForReset(one, frames, envoys)),
  },
  {
    because: 'Envoy takes a Host in trailers at times; we take none',
    applies: (_, envoys, frames) =>
      !envoys.closed && Buffer.concat(frames.map((one) => one.subarray(9))).includes('\u0004host'),
  },
  {
    because:
      'Envoy ends the connection for the window of a stream that is too large; we end the stream, as h2spec has it',
    applies: (_, envoys, frames) =>
      envoys.closed &&
      frames.some(
        (one) =>
          // A window, or the one that all begin with.
          (one[3] === FrameType.WindowUpdate && one.length >= 13 && one.readUInt32BE(9) % 0x80000000 > 0x7fff0000) ||
          (one[3] === FrameType.Settings && one.length >= 15 && one.readUInt32BE(11) === 0x7fffffff),
      ),
  },
  {
    because: 'Envoy ends the connection for frames behind the end of a request that it resets for its length',
    applies: (ours, envoys, frames) =>
      envoys.closed && !ours.closed && frames.some((one, i) => isBehindEnd(one, frames.slice(0, i), ours)),
  },
  {
    because: 'Envoy takes no notice of a request on a stream below one that was used; RFC 9113 ends the connection',
    applies: (ours, envoys) => ours.goAway[0] === 'StreamClosed' && !envoys.closed,
  },
  {
    because: 'Envoy leaves white space around a value',
    applies: (ours, envoys) =>
      isDeepStrictEqual(ours, JSON.parse(JSON.stringify(envoys).replaceAll(/\| +| +\|/g, (space) => space.trim()))),
  },
  {
    because: 'of several things that are wrong either may be named',
    applies: (ours, envoys) => ours.closed && envoys.closed,
  },
];

const COUNT = Number(process.env.FUZZ_COUNT ?? 400);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
/** Conversations at the same time. */
const AT_ONCE = 16;

test('conversations of HTTP/2 at random, as Envoy takes them', { skip: withoutReference }, async (t) => {
  const twins = await answeringProxies(t);
  const differences: string[] = [];
  let excused = 0;
  const run = async (i: number) => {
    const f = new Fuzz(SEED * 1_000_003 + i);
    const listener = f.one(Object.keys(LISTENERS));
    const frames = conversation(f);
    const opening = Buffer.concat([HELLO, ...(f.chance(0.5) ? [SETTINGS_ACK] : [])]);
    const cut = frames.flatMap(split);
    const resets = cut.filter((one) => one[3] === FrameType.RstStream).map((one) => one.readUInt32BE(5));
    const observe = (twin: Twin) => converse(twin.env.port(listener), opening, frames, resets);
    const [envoy, isthmus] = await Promise.all([observe(twins.envoy), observe(twins.isthmus)]);
    if (same(isthmus, envoy)) return;
    if (EXCEPTIONS.some(({ applies }) => applies(isthmus, envoy, cut))) {
      excused++;
      return;
    }
    const sent = frames.map((one) => JSON.stringify(one.toString('latin1').replace(/x{50,}/g, 'x..x')));
    differences.push(
      `${i} ${listener} ${sent.join(' ')}\n  ours   ${JSON.stringify(isthmus)}\n  envoys ${JSON.stringify(envoy)}`,
    );
  };
  let next = 0;
  const worker = async () => {
    while (next < COUNT) await run(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  t.diagnostic(`${COUNT} conversations, ${excused} excused`);
  assert.equal(differences.length, 0, `${differences.length} of ${COUNT}:\n${differences.join('\n')}`);
});
