import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../base/errors.ts';
import { formatPem, MAX_PEM_BYTES, parsePem } from './pem.ts';

const block = (label: string, bytes: number) => formatPem(label, Buffer.alloc(bytes, 7));

test('blocks there and back, at every length around a line', () => {
  for (let bytes = 1; bytes < 150; bytes++) {
    const [only, ...rest] = parsePem(block('CERTIFICATE', bytes), 'it');
    assert.deepEqual({ label: only.label, der: [...only.der] }, { label: 'CERTIFICATE', der: Array(bytes).fill(7) });
    assert.equal(rest.length, 0);
  }
  assert.equal(block('X Y', 49), `-----BEGIN X Y-----\n${'BwcH'.repeat(16)}\nBw==\n-----END X Y-----\n`);
});

test('several blocks, CRLF, and text around them', () => {
  const text = `subject=/CN=x\r\n${block('CERTIFICATE', 60).replaceAll('\n', '\r\n')}\nbetween\n${block('PRIVATE KEY', 3)}after`;
  assert.deepEqual(
    parsePem(text, 'it').map((b) => [b.label, b.der.length]),
    [
      ['CERTIFICATE', 60],
      ['PRIVATE KEY', 3],
    ],
  );
  assert.deepEqual(parsePem('', 'it'), []);
  assert.deepEqual(parsePem('no PEM at all', 'it'), []);
});

test('damage is an error, not an absence', () => {
  const whole = block('CERTIFICATE', 60);
  const table: [string, string, RegExp][] = [
    ['cut short', whole.slice(0, -5), /damaged \(1 begin, 0 are whole\)/],
    ['other label at the end', whole.replace('END CERTIFICATE', 'END KEY'), /damaged/],
    ['stray character', whole.replace('BwcH', 'Bw*H'), /damaged/],
    ['bad length', whole.replace('BwcH', 'BwH'), /not valid base64/],
    ['padding inside', whole.replace('BwcH', 'Bw=='), /not valid base64/],
    ['empty', '-----BEGIN X-----\n-----END X-----\n', /not valid base64/],
    ['too large', ' '.repeat(MAX_PEM_BYTES + 1), /larger than/],
    ['too many', block('X', 1).repeat(600), /more than 512/],
  ];
  for (const [name, text, problem] of table)
    assert.throws(
      () => parsePem(text, 'it'),
      (e: unknown) => e instanceof UserError && problem.test(e.message) && e.message.startsWith('it'),
      name,
    );
});
