import assert from 'node:assert/strict';
import { test } from 'node:test';
import { huffmanCapacity, huffmanDecode, huffmanEncode, huffmanLength } from './huffman.ts';

function encode(text: string): Buffer {
  const out = Buffer.alloc(text.length * 4 + 4);
  return out.subarray(0, huffmanEncode(text, out, 0));
}

function decode(bytes: Uint8Array): string | undefined {
  const out = Buffer.alloc(huffmanCapacity(bytes.length));
  const length = huffmanDecode(bytes, 0, bytes.length, out);
  return length < 0 ? undefined : out.toString('latin1', 0, length);
}

test('known strings', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
    ['no-cache', 'a8eb10649cbf'],
    ['302', '6402'],
    ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
    ['\x00', 'ffc7'],
    // Appendix B: 10 is 30 bits 3ffffffc, 249 is 28 bits ffffffe, 220 is 25 or more bits.
    ['\n', 'fffffff3'],
    ['\xf9', 'ffffffef'],
  ];
  for (const [text, bytes] of cases) {
    assert.equal(encode(text).toString('hex'), bytes, text);
    assert.equal(huffmanLength(text), bytes.length / 2);
    assert.equal(decode(Buffer.from(bytes, 'hex')), text);
  }
});

test('every octet, alone, beside every other and in runs, comes back', () => {
  for (let a = 0; a < 256; a++) {
    const one = String.fromCharCode(a);
    for (const text of [one, one.repeat(7), `a${one}`, `${one}zz${one}`]) assert.equal(decode(encode(text)), text);
    for (let b = 0; b < 256; b++) {
      const text = one + String.fromCharCode(b);
      assert.equal(decode(encode(text)), text);
    }
  }
});

test('random strings come back', () => {
  let state = 7541;
  const random = (n: number) => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8) % n;
  for (let i = 0; i < 2000; i++) {
    let text = '';
    for (let n = random(100); n > 0; n--) text += String.fromCharCode(random(4) ? 32 + random(95) : random(256));
    assert.equal(decode(encode(text)), text);
  }
});

test('two octets or fewer: exactly what an encoder makes is accepted', () => {
  const valid = new Map<string, string>([['', '']]);
  const symbols = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).filter((s) => huffmanLength(s) <= 2);
  const grow = (prefix: string): void => {
    if (huffmanLength(prefix) > 2) return;
    valid.set(encode(prefix).toString('hex'), prefix);
    for (const symbol of symbols) grow(prefix + symbol);
  };
  grow('');
  for (let i = 0; i < 65536; i++) {
    const bytes = Buffer.from([i >> 8, i & 255]);
    assert.equal(decode(bytes), valid.get(bytes.toString('hex')), bytes.toString('hex'));
  }
});
