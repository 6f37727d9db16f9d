import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { ConfigErrors } from '../../src/proxy/config/errors.ts';
import { compileUriTemplate } from '../../src/proxy/router/uri-template.ts';
import { any, httpListener } from '../support/envoy-config.ts';
import { exchange } from '../support/raw-http.ts';
import { freePorts, referenceProgram, scratch, withoutReference } from '../support/reference.ts';
import { requestBytes, twinProxies } from '../support/twin-proxies.ts';

const TAKEN = [
  '/',
  '/a/',
  '/*',
  '/*/',
  '/*/*',
  '/**',
  '/**/',
  '/a/**',
  '/a/**/end',
  '/a/*/**/end',
  '/*a',
  '/**.x',
  '/{x}',
  '/{x}/{y}',
  '/{a}/{b}/{c}/{d}/{e}',
  '/{a=**}',
  '/{a=**}/x',
  '/{a=x/*}/y',
  '/{a=x/**}',
  '/{a}.json',
  '/{a=**}.json',
  '/{a}x/y',
  '/{a=b}',
  '/{a=*/b/**/c}',
  '/{a=*}/**/b/{c=d}',
  '/a%20b',
  "/a~b!$&'()+,;:@=",
  '/{abcdefghijklmnop}',
  '/{a_b}',
  '/x{a}',
  '/x{a=**}.x',
];
const REFUSED = [
  '',
  'a/b',
  '/a//b',
  '//',
  '/**/x/*',
  '/**/**',
  '/{a=**}/{b}',
  '/{a}/{b}/{c}/{d}/{e}/{f}',
  '/{a=*}{b=*}',
  '/a b',
  '/a?b',
  '/a#b',
  '/{_a}',
  '/{1a}',
  '/{a=}',
  '/{a',
  '/a}',
  '/{abcdefghijklmnopq}',
  '/{a}/{a}',
  '/{a=/b}',
  '/[a]',
  '/a|b',
  '/a/{}',
  '/{a=b/}',
  '/{a=**}{b}',
  '/{a={b}}',
  '/é',
];
/** Taken by Envoy, whose regular expression repeats what stands before the asterisk; nobody can mean that. */
const REFUSED_HERE = ['/a*', '/***', '/{a=x*}', '/a*{b}'];
const PATHS = [
  '/',
  '/a',
  '/a/',
  '/a/b',
  '/a/b/',
  '/a/b/c',
  '/a/end',
  '/a//end',
  '/a/b/end',
  '/a/b/c/end',
  '/ax',
  '/xa',
  '/*',
  '/**',
  '/***',
  '/*a',
  '/a*',
  '/a*b',
  '/.x',
  '/q.x',
  '/**.x',
  '/a/q.x',
  '/x',
  '/x/y',
  '/x/z/y',
  '/x/z/z/y',
  '/b',
  '/j.json',
  '/jxjson',
  '/a/j.json',
  '/.json',
  '/ax/y',
  '/x/b/c',
  '/x/b/d/c',
  '/x/b/d/e/c',
  '/q/b/d',
  '/q/z/b/d',
  '/q/z/y/b/d',
  '/a%20b',
  "/a~b!$&'()+,;:@=",
  '/a|b',
  '/a"b',
  '/1/2/3/4/5',
  '/1/2/3/4',
  '/1/2/3/4/5/6',
  '//',
  '/a//b',
  '/a?q=/b',
  '/a;v=1',
];

const matching = (template: string): JsonObject => ({
  path_match_policy: {
    name: 'envoy.path.match.uri_template.uri_template_matcher',
    typed_config: any('envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig', {
      path_template: template,
    }),
  },
});

const OK = { status: 200, body: { inline_string: 'matched' } };

test('path templates match the same paths', { skip: withoutReference }, async (t) => {
  const routes = TAKEN.map((template, i) => ({
    match: { ...matching(template), headers: [{ name: 'x-template', string_match: { exact: String(i) } }] },
    direct_response: OK,
  }));
  const twins = await twinProxies(t, {
    listeners: ['main'],
    bootstrap: (env) => ({
      static_resources: { listeners: [httpListener('main', { port: env.port('main'), log: env.log('main'), routes })] },
    }),
  });
  for (const [i, template] of TAKEN.entries()) {
    await t.test(template, async () => {
      const matched = { envoy: [] as string[], isthmus: [] as string[] };
      for (const target of PATHS) {
        const bytes = requestBytes({ path: target, headers: [['x-template', String(i)]] });
        for (const program of ['envoy', 'isthmus'] as const) {
          const { status } = await exchange(twins[program].env.port('main'), [bytes]);
          if (status === 200) matched[program].push(target);
        }
      }
      assert.deepEqual(matched.isthmus, matched.envoy);
    });
  }
});

test('and the same are refused', { skip: withoutReference }, async (t) => {
  const file = path.join(scratch(t), 'bootstrap.json');
  const [port] = await freePorts(1);
  for (const template of [...REFUSED, ...REFUSED_HERE]) {
    const errors = new ConfigErrors();
    assert.equal(compileUriTemplate(template, errors), undefined, template);
    assert.ok(errors.any, template);
    const routes = [{ match: matching(template), direct_response: OK }];
    const listener = httpListener('main', { port, log: '/dev/null', routes });
    fs.writeFileSync(file, JSON.stringify({ static_resources: { listeners: [listener] } }));
    const args = ['--mode', 'validate', '-c', file, '-l', 'off', '--use-dynamic-base-id'];
    const { status } = spawnSync(referenceProgram('envoy'), args, { stdio: 'ignore', timeout: 60_000 });
    assert.equal(status, REFUSED.includes(template) ? 1 : 0, `Envoy on ${template}`);
  }
});
