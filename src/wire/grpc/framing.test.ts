import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Headers } from '../headers.ts';
import { encodeMessage, MessageDecoder } from './framing.ts';
import { decodeMessage, encodeMessageText, statusOf, statusOfHttp } from './status.ts';
import { formatTimeout, parseTimeout } from './timeout.ts';
import { GrpcCode } from './transport.ts';

describe('messages', () => {
  const messages = ['', 'a', 'hello', '', 'x'.repeat(300)].map((text) => Buffer.from(text));
  const stream = Buffer.concat(messages.map(encodeMessage));

  function decode(...pieces: Buffer[]): Buffer[] {
    const decoder = new MessageDecoder();
    const got: Buffer[] = [];
    for (const piece of pieces) {
      assert.equal(
        decoder.receive(piece, (message) => got.push(Buffer.from(message)) > 0),
        undefined,
      );
    }
    assert.equal(decoder.complete, true);
    return got;
  }

  test('the prefix', () => {
    assert.deepEqual(encodeMessage(Buffer.from('abc')), Buffer.from('\0\0\0\0\x03abc', 'latin1'));
  });

  test('in whatever pieces they come', () => {
    assert.deepEqual(decode(stream), messages);
    for (let at = 0; at <= stream.length; at++) {
      assert.deepEqual(decode(stream.subarray(0, at), stream.subarray(at)), messages);
    }
    assert.deepEqual(decode(...Array.from(stream, (byte) => Buffer.from([byte]))), messages);
    for (const size of [2, 3, 7, 100]) {
      const pieces = [];
      for (let at = 0; at < stream.length; at += size) pieces.push(stream.subarray(at, at + size));
      assert.deepEqual(decode(...pieces), messages);
    }
  });

  test('a message that lies in one piece is not copied', () => {
    const bytes = encodeMessage(Buffer.from('hello'));
    new MessageDecoder().receive(bytes, (message) => {
      assert.equal(message.buffer, bytes.buffer);
      return true;
    });
  });

  test('what is cut short is known', () => {
    const decoder = new MessageDecoder();
    for (let at = 0; at < 10; at++) {
      decoder.receive(encodeMessage(Buffer.from('hello')).subarray(at, at + 1), () => true);
      assert.equal(decoder.complete, at === 9);
    }
  });

  test('what is refused', () => {
    const cases: [string, number][] = [
      ['\x01\0\0\0\0', GrpcCode.Unimplemented],
      ['\x02\0\0\0\0', GrpcCode.Internal],
      ['\0\0\0\0\x0b', GrpcCode.ResourceExhausted],
      ['\0\xff\xff\xff\xff', GrpcCode.ResourceExhausted],
    ];
    for (const [text, code] of cases) {
      const decoder = new MessageDecoder(10);
      assert.equal(
        decoder.receive(Buffer.from('\0\0\0\0\x0a0123456789', 'latin1'), () => true),
        undefined,
      );
      assert.equal(decoder.receive(Buffer.from(text, 'latin1'), () => true)?.code, code);
    }
  });

  test('who has heard enough hears no more', () => {
    let heard = 0;
    new MessageDecoder().receive(stream, () => ++heard < 2);
    assert.equal(heard, 2);
  });
});

test('statuses', () => {
  const cases: [string[], { code: number; message: string } | undefined][] = [
    [[], undefined],
    [['grpc-status', '0'], { code: 0, message: '' }],
    [['grpc-status', '7', 'grpc-message', 'no%20%E2%82%AC'], { code: 7, message: 'no €' }],
    [['grpc-status', '99', 'grpc-message', 'odd'], { code: 2, message: 'odd' }],
    [['grpc-status', 'x'], { code: 2, message: 'grpc-status is x: ' }],
    [['grpc-status', ''], { code: 2, message: 'grpc-status is : ' }],
  ];
  for (const [list, status] of cases) assert.deepEqual(statusOf(Headers.response(200, ...list)), status);
  const http = [400, 401, 403, 404, 429, 502, 503, 504, 500, 302, 204].map((status) => statusOfHttp(status).code);
  assert.deepEqual(http, [13, 16, 7, 12, 14, 14, 14, 14, 2, 2, 2]);
});

test('texts of statuses', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['plain text~!', 'plain text~!'],
    ['100%', '100%25'],
    ['a\nb', 'a%0Ab'],
    ['Grüße €😀', 'Gr%C3%BC%C3%9Fe %E2%82%AC%F0%9F%98%80'],
    ['\x7f', '%7F'],
  ];
  for (const [text, value] of cases) {
    assert.equal(encodeMessageText(text), value);
    assert.equal(decodeMessage(value), text);
  }
  assert.equal(decodeMessage('50% %4 %zz %41%'), '50% %4 %zz A%');
});

test('timeouts', () => {
  const cases: [string, number | undefined][] = [
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['100m', 100],
    ['500u', 0.5],
    ['1000000n', 1],
    ['99999999m', 99_999_999],
    ['', undefined],
    ['1', undefined],
    ['m', undefined],
    ['1x', undefined],
    ['-1S', undefined],
    ['1.5S', undefined],
    ['123456789n', undefined],
    [' 1S', undefined],
  ];
  for (const [value, milliseconds] of cases) assert.equal(parseTimeout(value), milliseconds, value);
  const formatted: [number, string][] = [
    [0, '0m'],
    [-5, '0m'],
    [0.2, '1m'],
    [1, '1m'],
    [15_000, '15000m'],
    [99_999_999, '99999999m'],
    [100_000_999, '100000S'],
    [9e10, '90000000S'],
    [1e12, '16666666M'],
    [1e18, '99999999H'],
  ];
  for (const [milliseconds, value] of formatted) assert.equal(formatTimeout(milliseconds), value);
});
