import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { stubWorker } from '../../../../test/support/compile-filter.ts';
import { insert, opMsg, query, reply } from '../../../../test/support/mongo.ts';
import { RecordingHandler, scriptedConnection } from '../../../../test/support/stub-connection.ts';
import { MongoProxySchema } from '../../../api/gen/envoy/extensions/filters/network/mongo_proxy/v3/mongo_proxy_pb.ts';
import { registry } from '../../../api/registry.ts';
import { ConfigErrors } from '../../config/errors.ts';
import type { CloseReason } from '../../net/connection.ts';
import type { NetworkBuildContext, NetworkFilterCallbacks } from '../../net/network-filter.ts';
import { runFilterChain } from '../../net/network-filter-chain.ts';
import { mongoProxy } from './definition.ts';

/** A connection with the filter, and a server behind it that the test plays. */
function start(config: JsonObject = {}, runtime: Readonly<Record<string, number>> = {}) {
  const lines: string[] = [];
  const worker = stubWorker({
    runtime: { get: (key: string) => runtime[key] },
    health: { failed: false },
  } as never);
  const context = {
    worker,
    listener: { name: 'l', drain: { draining: false }, drainsWhenUnhealthy: true },
    openLog: () => ({ write: (line: string) => lines.push(line) }),
  } as unknown as NetworkBuildContext;
  const errors = new ConfigErrors();
  const proto = fromJson(MongoProxySchema, { stat_prefix: 'db', ...config }, { registry });
  const factory = mongoProxy.compile(proto, context, errors);
  assert.equal(errors.toString(), '');
  const connection = scriptedConnection();
  const handler = new RecordingHandler();
  let callbacks: NetworkFilterCallbacks | undefined;
  const last = {
    terminal: true as const,
    create(given: NetworkFilterCallbacks) {
      callbacks = given;
      return handler;
    },
  };
  runFilterChain(connection, [factory, last], worker, { get: () => undefined }, () => {});
  const stats = (prefix = '') => {
    const entry = [...worker.stats.groups].find((one) => one.prefix === `mongo.db.${prefix}`);
    return (entry?.group ?? {}) as unknown as Record<string, number>;
  };
  return {
    worker,
    handler,
    lines,
    stats,
    groups: () => [...worker.stats.groups].map(({ prefix }) => prefix),
    say: (bytes: Buffer) => connection.receive(bytes.toString('latin1')),
    answer: (bytes: Buffer) => callbacks!.connection.write(bytes),
    end: () => connection.peerEnds(),
    close: (reason: CloseReason) => connection.peerCloses(reason),
    metadata: () => Object.fromEntries(callbacks!.info.dynamicMetadata ?? []),
    written: connection.written,
  };
}

const text = (...messages: readonly Buffer[]) => Buffer.concat(messages).toString('latin1');

test('what cannot be read passes as it came, and is counted once', () => {
  const { say, answer, handler, stats, written } = start();
  const sent = [opMsg(1, {}), Buffer.from('more'), query(2, 'db.a', {})];
  for (const piece of sent) say(piece);
  answer(opMsg(3, {}));
  assert.equal(handler.events.join(''), text(...sent));
  assert.deepEqual(written, [text(opMsg(3, {}))]);
  assert.equal(stats().decoding_error, 1);
  assert.equal(stats().op_query, 0);
});

test('a delay keeps messages together, and all are counted', () => {
  const { say, handler, stats, worker, end } = start({
    delay: { fixed_delay: '2s', percentage: { numerator: 100 } },
  });
  const messages = [insert(1, 'db.a', {}), insert(2, 'db.a', {})];
  say(messages[0]);
  say(messages[1].subarray(0, 7));
  say(messages[1].subarray(7));
  end();
  assert.deepEqual(handler.events, []);
  assert.equal(stats().op_insert, 2);
  assert.equal(stats().delays_injected, 1);
  worker.timers.advance(2000);
  assert.deepEqual(handler.events, [text(...messages), 'end']);
});

test('runtime has the last word', () => {
  const { say, stats, handler } = start(
    { delay: { fixed_delay: '2s', percentage: { numerator: 100 } } },
    { 'mongo.fault.fixed_delay.percent': 0 },
  );
  say(insert(1, 'db.a', {}));
  assert.equal(stats().delays_injected, 0);
  assert.equal(handler.events.length, 1);
  const off = start({}, { 'mongo.proxy_enabled': 0 });
  off.say(insert(1, 'db.a', {}));
  assert.equal(off.stats().op_insert, 0);
});

test('questions and answers belong together', () => {
  const { say, answer, stats, groups, close } = start();
  say(Buffer.concat([query(1, 'db.a', {}), query(2, 'admin.$cmd', { insert: 1 })]));
  assert.equal(stats().op_query_active, 2);
  answer(reply(9, 2, [{}]));
  assert.equal(stats().op_query_active, 1);
  assert.deepEqual(groups(), ['mongo.db.', 'mongo.db.collection.a.query.', 'mongo.db.cmd.insert.']);
  const { reply_num_docs: count } = stats('cmd.insert.') as never as { reply_num_docs: { count: number; sum: number } };
  assert.deepEqual([count.count, count.sum], [1, 1]);
  close('reset');
  assert.equal(stats().op_query_active, 0);
  assert.equal(stats().cx_destroy_remote_with_active_rq, 1);
});

test('names of collections come from clients, and there is an end to them', () => {
  const { say, groups, stats } = start();
  for (let i = 0; i < 1100; i++) say(query(i, `db.c${i}`, {}));
  assert.ok(groups().length < 1010);
  assert.equal(stats().op_query, 1100);
  assert.ok(groups().includes('mongo.db.collection.overflow.query.'));
});

test('metadata tells of what the last bytes said', () => {
  const { say, metadata } = start({ emit_dynamic_metadata: true });
  say(Buffer.concat([insert(1, 'db.a', {}), query(2, 'db.b', {}), query(3, 'db.b', {})]));
  const said = { 'db.a': ['insert'], 'db.b': ['query', 'query'] };
  assert.deepEqual(metadata(), { 'envoy.filters.network.mongo_proxy': said });
  say(query(4, 'db.c', {}));
  assert.deepEqual(metadata(), { 'envoy.filters.network.mongo_proxy': { 'db.c': ['query'] } });
});

test('a log has a line for each message', () => {
  const { say, lines } = start({ access_log: '/log' });
  say(query(1, 'db.a', { text: 'a "b"\n', number: { $double: 1e22 } }, -1));
  const [line] = lines.map((one) => one.replace(/"time": "[^"]*"/, '"time": ""'));
  assert.equal(
    line,
    '{"time": "", "message": {"opcode": "OP_QUERY", "id": 1, "response_to": 0, "flags": "-0x1", "collection": "db.a", "skip": 0, "return": -1, "query": {"text": "a \\"b\\"\\n", "number": 10000000000000000000000.000000}, "fields": {}}, "upstream_host": "-"}\n',
  );
});
