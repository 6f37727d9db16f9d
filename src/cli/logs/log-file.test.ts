import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { bearsTimes, followLog, readLog, timeOfLine } from './log-file.ts';

function logOf(t: TestContext, text: string): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'logs-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const file = path.join(dir, 'a.log');
  fs.writeFileSync(file, text);
  return file;
}

const tailOf = (file: string, tail: number | undefined) => [...readLog(file, { tail, since: undefined })];

describe('reading a log', () => {
  it('gives all lines, or the last ones', (t) => {
    const file = logOf(t, 'a\nb\n\nd\n');
    assert.deepEqual(tailOf(file, undefined), ['a', 'b', '', 'd']);
    assert.deepEqual(tailOf(file, 0), []);
    assert.deepEqual(tailOf(file, 1), ['d']);
    assert.deepEqual(tailOf(file, 3), ['b', '', 'd']);
    assert.deepEqual(tailOf(file, 4), ['a', 'b', '', 'd']);
    assert.deepEqual(tailOf(file, 9), ['a', 'b', '', 'd']);
    assert.deepEqual(tailOf(logOf(t, 'a\nunfinished'), 1), ['unfinished']);
    assert.deepEqual(tailOf(path.join(path.dirname(file), 'nope.log'), 1), []);
  });

  it('finds the last lines across blocks', (t) => {
    const lines = Array.from({ length: 5000 }, (_, i) => `line ${i} ${'ä'.repeat(30)}`);
    const file = logOf(t, `${lines.join('\n')}\n`);
    assert.deepEqual(tailOf(file, 3000), lines.slice(2000));
  });

  it('gives the lines from a time on, where lines bear one', (t) => {
    const file = logOf(
      t,
      '2026-01-01T10:00:00.5Z\tinfo\tfirst\n  of it\n[2026-01-01T11:00:00.000Z] "GET / HTTP/1.1" 200\n  more\n',
    );
    const since = Date.parse('2026-01-01T10:30:00Z');
    assert.deepEqual(
      [...readLog(file, { tail: undefined, since })],
      ['[2026-01-01T11:00:00.000Z] "GET / HTTP/1.1" 200', '  more'],
    );
    assert.equal(bearsTimes(file), true);
    assert.equal(bearsTimes(logOf(t, 'hello\nworld\n')), false);
    assert.equal(bearsTimes(logOf(t, '')), true);
  });

  for (const [line, time] of [
    ['2026-01-01T10:00:00Z x', '2026-01-01T10:00:00Z'],
    ['[2026-01-01 10:00:00.549][27429][warning] x', '2026-01-01T10:00:00.549Z'],
    ['2026-01-01T10:00:00+02:00 x', '2026-01-01T08:00:00Z'],
    ['{"level":"info","time":"2026-01-01T10:00:00Z"}', '2026-01-01T10:00:00Z'],
    ['hello 2026-01-01T10:00:00Z', undefined],
  ] as const) {
    it(`tells the time of ${line}`, () => assert.equal(timeOfLine(line), time && Date.parse(time)));
  }
});

describe('following a log', () => {
  it('gives what is added, and goes on with the file of the next run', async (t) => {
    const file = logOf(t, 'old\n');
    const lines: string[] = [];
    let wake = () => {};
    const { ino: inode, size: offset } = fs.statSync(file);
    const stop = followLog(file, { inode, offset }, (line) => {
      lines.push(line);
      wake();
    });
    t.after(stop);
    const until = async (count: number) => {
      while (lines.length < count) await new Promise<void>((resolve) => (wake = resolve));
    };
    fs.appendFileSync(file, 'one\ntw');
    await until(1);
    fs.appendFileSync(file, 'o\nlast');
    await until(2);
    fs.renameSync(file, `${file}.previous`);
    fs.writeFileSync(file, 'next\n');
    await until(4);
    assert.deepEqual(lines, ['one', 'two', 'last', 'next']);
  });

  it('begins at the start of a file that has taken the place of the one that was read', async (t) => {
    const file = logOf(t, 'new\n');
    const { ino } = fs.statSync(file);
    const line = new Promise((resolve) => t.after(followLog(file, { inode: ino + 1, offset: 2 }, resolve)));
    assert.equal(await line, 'new');
  });

  it('waits for a log that is not there yet', async (t) => {
    const file = path.join(path.dirname(logOf(t, '')), 'b.log');
    const line = new Promise((resolve) => t.after(followLog(file, { inode: undefined, offset: 0 }, resolve)));
    fs.writeFileSync(file, 'hello\n');
    assert.equal(await line, 'hello');
  });
});
