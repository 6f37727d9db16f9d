import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flag } from '../../src/wire/http2/constants.ts';
import { answeringProxies, converse, same } from '../support/http2-conversations.ts';
import { data, END, frame, GET, HELLO, headers, POST, rst, windowUpdate } from '../support/http2-frames.ts';
import { withoutReference } from '../support/reference.ts';

/** Requests that go wrong after they could have been answered, and some that are nearly wrong. */

const open = (...fields: string[]) => headers(1, Flag.EndHeaders, ...POST, ...fields);
const whole = (...fields: string[]) => headers(1, END, ...POST, ...fields);
/** Refused for a path that has no canonical form. */
const refused = (flags: number) =>
  headers(1, flags, ':method', 'POST', ':scheme', 'http', ':path', '/a#b', ':authority', 'a.b');
const MANY = Array.from({ length: 20 }, (_, i) => [`x-${i}`, '1']).flat();
const BAD = ['x-b', 'a\nb'];
const END_DATA = Flag.EndStream;

const CASES: readonly (readonly [string, readonly Buffer[]])[] = [
  ['more body than was promised', [open('content-length', '3'), data(1, 0, 'abcd')]],
  ['a body where none was promised', [open('content-length', '0'), data(1, 0, 'abc')]],
  ['no body, as was promised', [open('content-length', '0'), data(1, END_DATA, '')]],
  ['less body than was promised', [open('content-length', '3'), data(1, END_DATA, 'ab')]],
  [
    'less body than was promised, and an empty end',
    [open('content-length', '3'), data(1, 0, 'ab'), data(1, END_DATA, '')],
  ],
  ['no body where one was promised', [whole('content-length', '3')]],
  [
    'less body than was promised, and trailers',
    [open('content-length', '3'), data(1, 0, 'ab'), headers(1, END, 'x-t', '1')],
  ],
  ['trailers that know another length', [open(), data(1, 0, 'ab'), headers(1, END, 'content-length', '1')]],
  ['trailers that know the length', [open(), data(1, 0, 'ab'), headers(1, END, 'content-length', '2')]],
  [
    'trailers that know it as well',
    [open('content-length', '2'), data(1, 0, 'ab'), headers(1, END, 'content-length', '2')],
  ],
  ['trailers without a body that say so', [open('content-length', '0'), headers(1, END, 'content-length', '0')]],
  ['trailers without a body', [open(), headers(1, END, 'x-t', '1')]],
  ['a window of 0 for what was wrong', [headers(1, END, ...POST.slice(2)), windowUpdate(1, 0)]],
  ['trailers that are not the end', [open(), data(1, 0, 'ab'), headers(1, Flag.EndHeaders, 'x-t', '1')]],
  ['bad trailers', [open(), data(1, 0, 'ab'), headers(1, END, ...BAD)]],
  ['refused', [refused(END)]],
  ['refused, with the rest', [refused(Flag.EndHeaders), data(1, 0, 'abc'), headers(1, END, 'x-t', '1')]],
  ['refused, trailers that are not the end', [refused(Flag.EndHeaders), headers(1, Flag.EndHeaders, 'x-t', '1')]],
  ['refused, bad trailers', [refused(Flag.EndHeaders), headers(1, END, ...BAD)]],
  [
    'refused, trailers behind the end',
    [refused(Flag.EndHeaders), data(1, END_DATA, 'abc'), headers(1, END, 'x-t', '1')],
  ],
  ['refused, data behind the end', [refused(END), data(1, END_DATA, 'ab')]],
  ['answered, data behind the end', [whole(), data(1, 0, 'ab')]],
  ['answered, headers behind the end', [whole(), headers(1, END, 'x-t', '1')]],
  ['answered, taken back', [whole(), rst(1, 8)]],
  ['answered, a window of 0', [whole(), windowUpdate(1, 0)]],
  ['unanswered, a window of 0', [open(), windowUpdate(1, 0)]],
  ['an underscore', [whole('x_a', '1')]],
  ['an underscore, and a body', [open('x_a', '1'), data(1, END_DATA, 'abc')]],
  ['an underscore, and trailers that are not the end', [open('x_a', '1'), headers(1, Flag.EndHeaders, 'x-t', '1')]],
  ['an underscore, then something wrong', [open('x_a', '1', ...BAD)]],
  ['something wrong, then an underscore', [open(...BAD, 'x_a', '1')]],
  ['an underscore, and no method', [headers(1, END, ...POST.slice(2), 'x_a', '1')]],
  ['an underscore in trailers', [open(), data(1, 0, 'ab'), headers(1, END, 'x_t', '1')]],
  ['too many headers', [whole(...MANY)]],
  ['too many headers, something wrong among them', [whole(...MANY, ...BAD)]],
  [
    'empty frames of a request that was reset',
    [headers(1, 0, ...POST.slice(2)), frame(9, Flag.EndHeaders, 1), data(1, 0, ''), data(1, 0, '')],
  ],
  ['PRIORITY of a wrong size', [open(), frame(2, 0, 1, '1234')]],
  ['two expectations', [whole('expect', '100-continue', 'expect', '100-continue')]],
  [
    'an expectation that is refused',
    [headers(1, Flag.EndHeaders, ...POST.slice(0, 4), ':path', '/a#b', ...POST.slice(6), 'expect', '100-continue')],
  ],
  ['behind the end of what was wrong from the start', [headers(1, END, ...POST, ':path', '/late'), data(1, 0, 'x')]],
  ['the next request', [whole(), headers(3, END, ...GET)]],
];

test('breaches of HTTP/2 as Envoy answers them', { skip: withoutReference }, async (t) => {
  const twins = await answeringProxies(t);
  for (const listener of ['strict', 'lenient']) {
    for (const [name, frames] of CASES) {
      await t.test(`${listener}: ${name}`, async () => {
        const [envoy, isthmus] = await Promise.all(
          [twins.envoy, twins.isthmus].map((twin) => converse(twin.env.port(listener), HELLO, frames, [])),
        );
        if (!same(isthmus!, envoy!)) assert.deepEqual(isthmus, envoy);
      });
    }
  }
});
