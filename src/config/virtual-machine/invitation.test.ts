import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatInvitation, parseInvitation } from './invitation.ts';

const secret = Buffer.alloc(16, 1);
const fingerprint = Buffer.alloc(32, 2);

describe('codes', () => {
  for (const host of ['127.0.0.1', 'fd00::1', 'mesh.example.com']) {
    test(`for ${host} are read as they were written`, () => {
      const invitation = { host, port: 15019, fingerprint, secret };
      assert.deepEqual(parseInvitation(formatInvitation(invitation)), invitation);
    });
  }

  const whole = formatInvitation({ host: 'a', port: 1, fingerprint, secret });
  const bad: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['another word', 'abc'],
    ['without its beginning', whole.slice('isthmus1-'.length)],
    ['without its end', whole.slice(0, -2)],
    ['with what is no host', formatInvitation({ host: 'a b', port: 1, fingerprint, secret })],
    ['too long', formatInvitation({ host: 'a'.repeat(254), port: 1, fingerprint, secret })],
  ];
  for (const [name, code] of bad)
    test(`${name}: refused`, () => assert.throws(() => parseInvitation(code), /this is no code/));
});
