import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../../wire/headers.ts';
import { KeptRequest } from './kept-request.ts';

function sink() {
  const sent: string[] = [];
  return {
    sent,
    sendData: (chunk: Uint8Array, end: boolean) => void sent.push(`${Buffer.from(chunk)}${end ? '$' : ''}`),
    sendTrailers: () => void sent.push('trailers'),
  };
}

const kept = (...chunks: string[]) => {
  const request = new KeptRequest();
  for (const chunk of chunks) request.keep(Buffer.from(chunk));
  return request;
};

test('the last piece ends the request, if it has come whole and has no trailers', () => {
  const cases: [boolean, boolean, string[]][] = [
    [true, false, ['a', 'b$']],
    [false, false, ['a', 'b']],
    [true, true, ['a', 'b', 'trailers']],
  ];
  for (const [ended, trailers, wanted] of cases) {
    const request = kept('a', 'b');
    if (trailers) request.trailers = Headers.response(0);
    const to = sink();
    request.sendTo(to, ended, false);
    assert.deepEqual(to.sent, wanted);
  }
});

test('body is sent again as often as there is another attempt, and trailers always', () => {
  const request = kept('a');
  request.trailers = Headers.response(0);
  const to = sink();
  request.sendTo(to, true, false);
  request.sendTo(to, true, true);
  request.sendTo(to, true, true);
  assert.deepEqual(to.sent, ['a', 'trailers', 'a', 'trailers', 'trailers']);
});

test('knows whether all that it ever kept is here', () => {
  const request = new KeptRequest();
  assert.deepEqual([request.hasBody, request.wholeBody, request.bytes], [false, true, 0]);
  request.keep(Buffer.from('abc'));
  assert.deepEqual([request.hasBody, request.wholeBody, request.bytes], [true, true, 3]);
  request.dropBody();
  assert.deepEqual([request.hasBody, request.wholeBody, request.bytes], [false, false, 3]);
});

test('requests do not share what they keep', () => {
  kept('a');
  assert.equal(new KeptRequest().hasBody, false);
});
