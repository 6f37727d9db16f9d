import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAppProbers } from './app-probers.ts';

test('probes as an injector writes them', () => {
  const text = JSON.stringify({
    '/app-health/web/livez': { httpGet: { path: 'alive', port: 8080, scheme: 'HTTPS' }, timeoutSeconds: 3 },
    '/app-health/web/readyz': { tcpSocket: { port: 90 } },
    '/app-health/web/startupz': { grpc: { port: 50051, service: 'x' }, timeoutSeconds: 0 },
    '/app-lifecycle/web/prestopz': { httpGet: { path: '/bye?now', port: 1 } },
  });
  assert.deepEqual(Object.fromEntries(parseAppProbers(text)), {
    '/app-health/web/livez': { kind: 'http', timeoutMs: 3000, port: 8080, path: '/alive', https: true },
    '/app-health/web/readyz': { kind: 'tcp', timeoutMs: 1000, port: 90 },
    '/app-health/web/startupz': { kind: 'grpc', timeoutMs: 1000, port: 50051, service: 'x' },
    '/app-lifecycle/web/prestopz': { kind: 'http', timeoutMs: 1000, port: 1, path: '/bye?now', https: false },
  });
  assert.equal(parseAppProbers(undefined).size, 0);
});

test('probes that are no good', () => {
  const table: [unknown, RegExp][] = [
    [{ '/healthz': { tcpSocket: { port: 1 } } }, /\/healthz is not of the form/],
    [{ '/app-health/a/b/livez': { tcpSocket: { port: 1 } } }, /is not of the form/],
    [{ '/app-health/a/livez': {} }, /must have one of httpGet, tcpSocket and grpc/],
    [{ '/app-health/a/livez': { tcpSocket: { port: 1 }, grpc: { port: 1 } } }, /must have one of/],
    [{ '/app-health/a/livez': { httpGet: { port: 'http' } } }, /port of \/app-health\/a\/livez must be a number/],
    [{ '/app-health/a/livez': { httpGet: { port: 0 } } }, /must be a number from 1 to 65535/],
    [{ '/app-health/a/livez': 1 }, /must be an object/],
    [[], /must be a JSON object/],
  ];
  for (const [value, message] of table) assert.throws(() => parseAppProbers(JSON.stringify(value)), message);
});
