import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stubWorker } from '../../../../test/support/compile-filter.ts';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import { DataStatus, HeadersStatus, TrailersStatus } from '../../http/filter.ts';
import type { Route } from '../../router/route.ts';
import { StatsByCluster } from '../common/stats-by-cluster.ts';
import type { Allowed, CheckSubject, Verdict } from './authorizer.ts';
import { type ExtAuthzConfig, ExtAuthzFilter } from './filter.ts';
import { ExtAuthzStats } from './stats.ts';

const ALLOWED: Allowed = {
  kind: 'allowed',
  requestChanges: [],
  requestRemovals: [],
  responseChanges: [],
  parametersToSet: [],
  parametersToRemove: [],
  metadata: undefined,
};

function start(more: Partial<ExtAuthzConfig> = {}, options: { end?: boolean; at?: Verdict } = {}) {
  const asked: { subject: CheckSubject; done: (verdict: Verdict) => void; cancelled: boolean }[] = [];
  const callbacks = new StubCallbacks();
  callbacks.route = {} as Route;
  callbacks.requestHeaders = Headers.request('POST', '/a?b=1', 'host', 'x-told', '1', 'x-secret', '2');
  const config: ExtAuthzConfig = {
    stats: new ExtAuthzStats(),
    byCluster: new StatsByCluster(stubWorker(), ''),
    authorizer: {
      check(subject, done) {
        const call = { subject, done, cancelled: false };
        asked.push(call);
        if (options.at !== undefined) done(options.at);
        return { cancel: () => (call.cancelled = true) };
      },
    },
    tells: (name) => name !== 'x-secret',
    body: undefined,
    failureModeAllow: false,
    failureModeAllowHeader: false,
    statusOnError: 403,
    clearRouteCache: true,
    enabled: 1,
    enabledFor: undefined,
    denyAtDisable: false,
    chargeClusterStats: true,
    ingestsMetadata: true,
    ...more,
  };
  const filter = new ExtAuthzFilter(config, callbacks);
  const status = filter.requestHeaders(callbacks.requestHeaders, options.end ?? false);
  return { filter, callbacks, asked, status, stats: config.stats };
}

const BODY = { maxBytes: 4, allowPartial: false, packAsBytes: false };
const bytes = (text: string) => Buffer.from(text);

describe('a request waits for its verdict', () => {
  test('and goes on', () => {
    const { callbacks, asked, status } = start();
    assert.equal(status, HeadersStatus.StopAll);
    assert.deepEqual(
      [...asked[0].subject.headers].map(([name]) => name),
      [':method', ':path', ':authority', 'x-told'],
    );
    asked[0].done(ALLOWED);
    assert.deepEqual(callbacks.calls, ['continueRequest']);
  });

  test('or goes on at once', () => {
    const { callbacks, status } = start({}, { at: ALLOWED });
    assert.equal(status, HeadersStatus.Continue);
    assert.deepEqual(callbacks.calls, []);
  });

  test('or is refused at once', () => {
    const { callbacks, status } = start({}, { at: { kind: 'failed' } });
    assert.equal(status, HeadersStatus.StopAll);
    assert.deepEqual(callbacks.calls, ['reply 403 ']);
  });

  test('or ends before', () => {
    const { filter, asked } = start();
    filter.destroy();
    assert.equal(asked[0].cancelled, true);
  });

  test('routes are found anew after a change, if so configured', () => {
    const requestChanges = [{ name: 'x', value: '1', how: 'set' as const }];
    const changed = start({}, { at: { ...ALLOWED, requestChanges } });
    assert.deepEqual(changed.callbacks.calls, ['clearRouteCache']);
    assert.deepEqual(start({ clearRouteCache: false }, { at: { ...ALLOWED, requestChanges } }).callbacks.calls, []);
  });
});

describe('the body', () => {
  test('is collected to its end', () => {
    const { filter, callbacks, asked, status } = start({ body: BODY });
    assert.equal(status, HeadersStatus.StopIteration);
    assert.deepEqual(callbacks.calls, ['setBufferLimit 4']);
    assert.equal(filter.requestData(bytes('ab'), false), DataStatus.StopAndBuffer);
    callbacks.requestChunks = [bytes('ab')];
    assert.equal(filter.requestData(bytes('cd'), true), DataStatus.StopAndWatermark);
    assert.equal(asked[0].subject.body?.toString(), 'abcd');
    assert.equal(asked[0].subject.partial, false);
  });

  test('is not asked about if there is too much', () => {
    const { filter, asked } = start({ body: BODY });
    assert.equal(filter.requestData(bytes('abcde'), true), DataStatus.StopAndBuffer);
    assert.equal(asked.length, 0);
  });

  test('ends with trailers', () => {
    const { filter, callbacks, asked } = start({ body: BODY });
    callbacks.requestChunks = [bytes('ab')];
    assert.equal(filter.requestTrailers(), TrailersStatus.Stop);
    assert.equal(asked[0].subject.body?.toString(), 'ab');
    assert.equal(filter.requestTrailers(), TrailersStatus.Stop);
    asked[0].done(ALLOWED);
    assert.equal(filter.requestTrailers(), TrailersStatus.Continue);
  });

  test('is cut, and the rest waits for the verdict', () => {
    const { filter, asked } = start({ body: { ...BODY, allowPartial: true } });
    assert.equal(filter.requestData(bytes('abcdef'), false), DataStatus.StopAndWatermark);
    assert.deepEqual([asked[0].subject.body?.toString(), asked[0].subject.partial], ['abcd', true]);
    assert.equal(filter.requestData(bytes('gh'), true), DataStatus.StopAndWatermark);
    assert.equal(asked.length, 1);
    asked[0].done(ALLOWED);
    assert.equal(filter.requestData(bytes('i'), true), DataStatus.Continue);
  });

  test('of a request without one is not waited for', () => {
    assert.equal(start({ body: BODY }, { end: true }).asked.length, 1);
  });
});

test('headers that cannot be are an error, whatever the verdict', () => {
  const bad = [{ name: 'x', value: 'a\r\nb: c', how: 'set' as const }];
  for (const verdict of [
    { ...ALLOWED, requestChanges: bad },
    { ...ALLOWED, responseChanges: bad },
    { kind: 'denied' as const, status: 401, body: '', responseChanges: bad, metadata: undefined },
  ]) {
    const { callbacks, stats } = start({ failureModeAllow: true }, { at: verdict });
    assert.deepEqual([callbacks.replies[0].status, callbacks.replies[0].details], [500, 'ext_authz_invalid']);
    assert.equal(stats.invalid, 1);
    assert.equal(stats.ok + stats.denied, 0);
  }
});

test('metadata that is not wanted is counted', () => {
  const verdict = { ...ALLOWED, metadata: { a: 1 } };
  const { callbacks, stats } = start({ ingestsMetadata: false }, { at: verdict });
  assert.equal(callbacks.info.dynamicMetadata, undefined);
  assert.equal(stats.ignored_dynamic_metadata, 1);
  const metadata = start({}, { at: verdict }).callbacks.info.dynamicMetadata?.get('envoy.filters.http.ext_authz');
  assert.deepEqual(metadata, { ext_authz_duration: 0, a: 1 });
});

test('only some requests are checked', () => {
  const asks = (more: Partial<ExtAuthzConfig>) => start(more).asked.length;
  assert.equal(asks({ enabled: 0.4 }), 0);
  assert.equal(asks({ enabled: 0.6 }), 1);
  assert.equal(asks({ enabledFor: () => false }), 0);
  assert.equal(asks({ enabledFor: () => true }), 1);
  const { callbacks, stats } = start({ enabled: 0, denyAtDisable: true, statusOnError: 503 });
  assert.equal(callbacks.replies[0].status, 503);
  assert.equal(stats.disabled, 1);
});
