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

test('body that was let go is not there in part', () => {
  const request = new KeptRequest();
  const seen = () => [request.hasBody, request.body?.map(String).join(), request.bytes];
  assert.deepEqual(seen(), [false, '', 0]);
  request.keep(Buffer.from('abc'));
  assert.deepEqual(seen(), [true, 'abc', 3]);
  request.dropBody();
  request.keep(Buffer.from('d'));
  assert.deepEqual(seen(), [false, undefined, 4]);
});

test('requests do not share what they keep', () => {
  kept('a');
  assert.equal(new KeptRequest().hasBody, false);
});
