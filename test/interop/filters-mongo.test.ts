import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, fileLog, named, tcpListener } from '../support/envoy-config.ts';
import {
  type Bson,
  command,
  commandReply,
  getMore,
  insert,
  killCursors,
  message,
  opMsg,
  query,
  reply,
} from '../support/mongo.ts';
import { until, withoutReference } from '../support/reference.ts';
import { type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

/** What is counted, logged and told of MongoDB's messages, and what becomes of those that are none. */

const DOCUMENT: Readonly<Record<string, Bson>> = {
  double: { $double: 1.5 },
  large: { $double: 1e22 },
  third: { $double: 1 / 3 },
  text: 'a "quoted" \\ line\r\n\twith \'all\'',
  symbol: { $symbol: 'sym' },
  document: { $doc: { inner: 1, list: [1, 'two', null] } },
  binary: Buffer.from('bytes'),
  id: { $id: '0123456789abcdef01234567' },
  yes: true,
  no: false,
  date: { $date: 1_700_000_000_000n },
  nothing: null,
  regex: { $regex: ['^a', 'i'] },
  int: -7,
  timestamp: { $timestamp: 5n },
  long: 9_007_199_254_740_993n,
};

/** What the client sends, and what the server answers to it; nothing where nothing is awaited. */
type Exchange = readonly [sent: Buffer, answer?: Buffer];

interface Case {
  readonly filter?: JsonObject;
  readonly talk: readonly Exchange[];
  /** How the client ends it; it waits for the end that the proxy makes without. */
  readonly end?: 'fin' | 'reset' | 'none';
}

const OK = [{ ok: { $double: 1 } }];
const CASES: Readonly<Record<string, Case>> = {
  commands: {
    talk: [
      [query(1, 'admin.$cmd', { isMaster: 1 }), reply(11, 1, OK)],
      [query(2, 'admin.$cmd', { ismaster: 1 }), reply(12, 2, OK)],
      [query(3, 'db.$cmd', { insert: 'books' }), reply(13, 3, OK)],
      [query(4, 'db.$cmd', { $query: { $doc: { delete: 'books' } } }), reply(14, 4, OK)],
      [query(5, 'db.$cmd', { count: 'books' }), reply(15, 5, OK)],
      [query(6, 'db.$cmd', { query: 'books' }), reply(16, 6, OK)],
    ],
  },
  'own commands': {
    filter: { commands: ['isMaster', 'count'] },
    talk: [
      [query(1, 'admin.$cmd', { ismaster: 1 }), reply(11, 1, OK)],
      [query(2, 'db.$cmd', { insert: 'books' }), reply(12, 2, OK)],
      [query(3, 'db.$cmd', { count: 'books' }), reply(13, 3, OK)],
      [query(4, 'db.$cmd', { delete: 'books' }), reply(14, 4, OK)],
      [query(5, 'db.$cmd', { distinct: 'books' }), reply(15, 5, OK)],
    ],
  },
  queries: {
    talk: [
      [query(1, 'db.books', { _id: 1 }), reply(11, 1, [{ _id: 1 }])],
      [query(2, 'db.books', { _id: { $doc: { $in: [1, 2] } } }), reply(12, 2, [{ _id: 1 }, { _id: 2 }])],
      [query(3, 'db.books', { title: 'a' }, 2 | 16 | 32 | 64), reply(13, 3, [], 0, 7n)],
      [query(4, 'db.other.books', { $query: { $doc: { _id: 4 } }, $maxTimeMS: 5 }), reply(14, 4, [], 1)],
      [query(5, 'db.books', { maxTimeMS: 5n, $comment: '{"callingFunction": "shelf"}' }), reply(15, 5, [], 2)],
      [query(6, 'db.books', { _id: [1], $comment: 'no JSON' }), reply(16, 99, [])],
      [
        query(7, 'db.$cmd', { find: 'books', filter: { $doc: { a: 1 } }, comment: '{"callingFunction": "find"}' }),
        reply(17, 7, OK),
      ],
      [query(8, 'db.$cmd', { find: 'books' }), reply(18, 8, OK)],
    ],
  },
  'other messages': {
    talk: [
      [insert(1, 'db.books', { a: 1 }, { b: 2 })],
      [getMore(2, 'db.books', 7n)],
      [killCursors(3, 7n, 8n)],
      [command(4, 'db', 'isMaster', { isMaster: 1 }), commandReply(14, 4, { ok: 1 })],
    ],
  },
  'several in one, and one in several': {
    talk: [
      [Buffer.concat([insert(1, 'db.a', { a: 1 }), insert(2, 'db.a', { a: 2 }), query(3, 'db.a', {}).subarray(0, 20)])],
      [query(3, 'db.a', {}).subarray(20), reply(13, 3, [])],
    ],
  },
  'newer protocol': {
    talk: [
      [opMsg(1, { hello: 1 }), opMsg(2, { ok: 1 })],
      [query(3, 'db.a', {}), reply(13, 3, [])],
    ],
  },
  'no MongoDB': { talk: [[Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n')]] },
  'no such document': {
    talk: [[message(2004, 1, 0, Buffer.from('0000000061006200000000000000', 'hex'), Buffer.from('05000000ff', 'hex'))]],
  },
  'no collection': { talk: [[query(1, 'collection', {})]] },
  'unanswered, and reset': { talk: [[query(1, 'db.a', {})]], end: 'reset' },
  'unanswered, and closed': { talk: [[query(1, 'db.a', {})]] },
  'unanswered, and the server closes': { talk: [[query(1, 'db.closes', {})]], end: 'none' },
  log: {
    filter: { access_log: '<log>' },
    talk: [
      [query(1, 'db.books', DOCUMENT, -1, { a: 1 }), reply(11, 1, [DOCUMENT, {}], 8, 5n)],
      [query(2, 'db.$cmd', { isMaster: 1 }), reply(12, 2, OK)],
      [insert(3, 'db.books', DOCUMENT, { b: 2 })],
      [getMore(4, 'db.books', -7n)],
      [killCursors(5, 7n, 8n)],
      [command(6, 'db', 'isMaster', { isMaster: 1 }, { more: 1 }), commandReply(14, 6, { ok: 1 })],
    ],
  },
  metadata: {
    filter: { emit_dynamic_metadata: true },
    talk: [[Buffer.concat([insert(1, 'db.a', {}), query(2, 'db.b', {}), query(3, 'db.b', {})])]],
  },
  'metadata of answers': {
    filter: { emit_dynamic_metadata: true },
    talk: [[query(2, 'db.b', {}), reply(12, 2, [])]],
  },
  delay: {
    filter: { delay: { fixed_delay: '0.05s', percentage: { numerator: 100 } } },
    talk: [
      [query(1, 'db.a', {}), reply(11, 1, [])],
      [query(2, 'db.a', {}), reply(12, 2, [])],
    ],
  },
  drained: {
    talk: [
      [query(1, 'db.a', {}), reply(11, 1, [])],
      [query(2, 'db.a', {}), reply(12, 2, [])],
    ],
  },
  'delay for nobody': {
    filter: { delay: { fixed_delay: '5s', percentage: { numerator: 0 } } },
    talk: [[query(1, 'db.a', {}), reply(11, 1, [])]],
  },
};

const CLOSES = Buffer.from('db.closes').toString('hex');

/** Answers each message of the cases with what belongs to it. */
async function server(t: TestContext): Promise<number> {
  const answers = new Map(
    Object.values(CASES).flatMap(({ talk }) => talk.map(([sent, answer]) => [sent.toString('hex'), answer])),
  );
  const listener = net.createServer((socket) => {
    socket.on('error', () => {});
    let heard = '';
    socket.on('data', (more: Buffer) => {
      heard += more.toString('hex');
      if (!answers.has(heard)) return;
      const answer = answers.get(heard);
      const closes = heard.includes(CLOSES);
      heard = '';
      socket.write(answer ?? ACKNOWLEDGED);
      if (closes) socket.end();
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => listener.close());
  return (listener.address() as net.AddressInfo).port;
}

/** The server has it; written as a message that is not counted among those of interest. */
const ACKNOWLEDGED = reply(100, 0, []);

const mongo = (env: TwinEnv, name: string): JsonObject => {
  const { filter = {} } = CASES[name];
  const log: JsonObject = filter.access_log === undefined ? {} : { access_log: path.join(env.folder, 'mongo.log') };
  return named('envoy.filters.network.mongo_proxy', 'network.mongo_proxy.v3.MongoProxy', {
    stat_prefix: name.replace(/\W+/g, '-'),
    ...filter,
    ...log,
  });
};

/** Plays a case; what comes back is told in hex. */
async function play(twin: Twin, name: string): Promise<string> {
  const { talk, end = 'fin' } = CASES[name];
  const socket = net.connect({ host: '127.0.0.1', port: twin.env.port(name) });
  socket.on('error', () => {});
  let heard = Buffer.alloc(0);
  for (const [sent, answer = ACKNOWLEDGED] of talk) {
    const wanted = heard.length + answer.length;
    socket.write(sent);
    while (heard.length < wanted) {
      const [more] = (await once(socket, 'data', { signal: AbortSignal.timeout(20_000) })) as [Buffer];
      heard = Buffer.concat([heard, more]);
    }
  }
  const closed = once(socket, 'close');
  if (end === 'reset') socket.resetAndDestroy();
  else if (end === 'fin') socket.end();
  await closed;
  return heard.toString('hex');
}

async function statistics(twin: Twin, name: string): Promise<string[]> {
  const text = await twin.admin(`/stats?filter=${encodeURIComponent(`^mongo\\.${name.replace(/\W+/g, '-')}\\.`)}`);
  // Histograms by their names: what they hold is a matter of intervals.
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/: (P0|No recorded).*/, ''))
    .sort();
}

test('messages of MongoDB are counted as by Envoy', { skip: withoutReference }, async (t) => {
  const names = Object.keys(CASES);
  const twins = await twinProxies(t, {
    listeners: names,
    servers: { server },
    bootstrap: (env) => ({
      static_resources: {
        listeners: names.map((name) =>
          tcpListener(name, {
            port: env.port(name),
            log: env.log(name),
            filters: [mongo(env, name)],
            proxy: {
              access_log: [
                fileLog(env.log(name), '%RESPONSE_FLAGS% %DYNAMIC_METADATA(envoy.filters.network.mongo_proxy)%'),
              ],
            },
          }),
        ),
        clusters: [cluster('backend', env.backend('server'))],
      },
    }),
  });
  const both = [twins.envoy, twins.isthmus];
  for (const name of names) {
    await t.test(name, async () => {
      const [envoy, isthmus] = await Promise.all(
        both.map(async (twin) => {
          const heard = await play(twin, name);
          return { heard, log: await twin.logLines(name), stats: await statistics(twin, name) };
        }),
      );
      assert.deepEqual(isthmus, envoy);
    });
  }

  await t.test('the log', async () => {
    const lines = await Promise.all(
      both.map((twin) =>
        until('lines', () => {
          const text = fs.readFileSync(path.join(twin.env.folder, 'mongo.log'), 'utf8');
          const all = twin.named(text).replace(/"time": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/g, '"time": "<time>"');
          return all.split('\n').length > 11 ? all.split('\n') : undefined;
        }),
      ),
    );
    assert.deepEqual(lines[1], lines[0]);
  });

  await t.test('a connection without questions is closed when the proxy drains', async () => {
    const [envoy, isthmus] = await Promise.all(
      both.map(async (twin) => {
        const socket = net.connect({ host: '127.0.0.1', port: twin.env.port('drained') });
        const closed = once(socket, 'close');
        for (const id of [1, 2]) {
          if (id === 2) await twin.admin('/healthcheck/fail', 'POST');
          socket.write(query(id, 'db.a', {}));
          await once(socket, 'data', { signal: AbortSignal.timeout(20_000) });
        }
        await closed;
        return await statistics(twin, 'drained');
      }),
    );
    assert.ok(envoy.includes('mongo.drained.cx_drain_close: 1'));
    assert.deepEqual(isthmus, envoy);
  });
});
