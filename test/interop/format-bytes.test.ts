import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, fileLog, httpListener, named } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { observe, type Twin, twinProxies } from '../support/twin-proxies.ts';

/** What formats make of a header whose bytes are no UTF-8, or are what a format treats with care. */

const VALUES = [
  'a\xffb',
  'caf\xe9',
  '\xc3\xbc',
  '\xe2\x82',
  '\xed\xa0\x80',
  '\xf0\x9f\x98\x80',
  '\xc0\xaf',
  '\x80\x81',
  '\xef\xbf\xbd',
  '\xc3\xbc and \xff',
  'back\\slash \\udcff "quoted"',
  'back\\slash \\udcff \xff',
  'quoted "\xff" \there',
  'tab\there',
  '<&>',
];

const jsonLog = (path: string, format: JsonObject): JsonObject =>
  named('envoy.access_loggers.file', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
    path,
    log_format: { json_format: format },
  });
const header = (key: string, value: string): JsonObject => ({ header: { key, value } });

test('formats print bytes as with Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['text', 'json'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: ['text', 'json'].map((name) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            virtualHost: {
              response_headers_to_add: [header('x-back', '[%REQ(x-a)%]'), header('x-cut', '[%REQ(x-a):3%]')],
              request_headers_to_add: [header('x-up', '[%REQ(x-a)%]')],
            },
            routes: [{ match: { prefix: '/found' }, route: { cluster: 'backend' } }],
            manager: {
              access_log: [
                name === 'text'
                  ? fileLog(env.log(name), '%REQ(x-a)% | %REQ(x-a):3% | %REQ(:PATH)%')
                  : jsonLog(env.log(name), {
                      alone: '%REQ(x-a)%',
                      among: 'ü %REQ(x-a)% €',
                      cut: '%REQ(x-a):3%',
                      deep: { list: ['%REQ(x-a)%'] },
                    }),
              ],
              local_reply_config: {
                body_format:
                  name === 'text' ? { text_format: '(%REQ(x-a)%)' } : { json_format: { value: '%REQ(x-a)%' } },
              },
            },
          }),
        ),
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  const seen = async (twin: Twin, listener: string, path: string, value: string) => {
    const file = twin.env.log(listener);
    const before = fs.existsSync(file) ? fs.statSync(file).size : 0;
    const send = [Buffer.from(`GET ${path} HTTP/1.1\r\nhost: a\r\nx-a: ${value}\r\n\r\n`, 'latin1')];
    const { log: _, ...rest } = await observe(twin, { name: '', send }, listener);
    return { ...rest, log: fs.readFileSync(file).subarray(before).toString('latin1') };
  };
  for (const listener of ['text', 'json']) {
    for (const path of ['/found', '/lost']) {
      for (const value of VALUES) {
        await t.test(`${listener} ${path}: ${JSON.stringify(value)}`, async () => {
          const wanted = await seen(twins.envoy, listener, path, value);
          assert.equal(wanted.status, path === '/found' ? 200 : 404);
          assert.deepEqual(await seen(twins.isthmus, listener, path, value), wanted);
        });
      }
    }
  }
});
