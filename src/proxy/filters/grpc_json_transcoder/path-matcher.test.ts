import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type MatcherOptions, PathMatcher } from './path-matcher.ts';
import { parsePathTemplate } from './path-template.ts';

const OPTIONS: MatcherOptions = {
  unescape: 'except-reserved',
  unescapePlus: false,
  unregisteredVerbs: false,
  ignoredParameters: new Set(['key']),
};

function matcher(templates: readonly string[], options: Partial<MatcherOptions> = {}) {
  const paths = new PathMatcher<string>({ ...OPTIONS, ...options });
  for (const template of templates) {
    const [method, path] = template.split(' ');
    assert.ok(paths.add(method, path, template), template);
  }
  return (request: string) => {
    const [method, path] = request.split(' ');
    const found = paths.match(method, path);
    if (found === undefined) return 'none';
    return [found.target, ...found.bindings.map((b) => `${b.fieldPath.join('.')}=${b.value}`)].join(' | ');
  };
}

describe('path templates', () => {
  test('literals, variables, verbs', () => {
    assert.deepEqual(parsePathTemplate('/v1/{a.b=x/*}/{c}:go'), {
      segments: ['v1', 'x', '*', '*'],
      verb: 'go',
      variables: [
        { fieldPath: ['a', 'b'], start: 1, end: 3 },
        { fieldPath: ['c'], start: 3, end: 4 },
      ],
    });
    assert.deepEqual(parsePathTemplate('/{a=**}/end')?.variables, [{ fieldPath: ['a'], start: 0, end: -2 }]);
  });

  for (const wrong of [
    '',
    'v1',
    '/v1/',
    '/{',
    '/{a',
    '/{a=}',
    '/{1}',
    '/a:',
    '/a}',
    '/**/{b}',
    '/{a={b}}',
    '/a b/{a-b}',
  ]) {
    test(`no template: ${wrong}`, () => assert.equal(parsePathTemplate(wrong), undefined));
  }
});

describe('what a path stands for', () => {
  const find = matcher([
    'GET /books/{id}',
    'GET /books/main',
    'GET /books/{id}:open',
    'GET /{name=shelves/*/books/*}',
    'GET /rest/{all=**}',
    'GET /rest/{all=**}/tail',
    '* /any/{x}',
    'POST /any/{y}',
    'GET /',
  ]);
  const cases: readonly (readonly [string, string])[] = [
    ['GET /books/1', 'GET /books/{id} | id=1'],
    ['GET /books/main', 'GET /books/main'],
    ['GET /books/main/', 'GET /books/main'],
    ['POST /books/1', 'none'],
    ['GET /books', 'none'],
    ['GET /books/1:open', 'GET /books/{id}:open | id=1'],
    ['GET /books/1:shut', 'GET /books/{id} | id=1:shut'],
    ['GET /shelves/1/books/a%2Fb%20c', 'GET /{name=shelves/*/books/*} | name=shelves/1/books/a%2Fb c'],
    ['GET /books/a%2Fb', 'GET /books/{id} | id=a/b'],
    ['GET /rest', 'GET /rest/{all=**} | all='],
    ['GET /rest/a/b', 'GET /rest/{all=**} | all=a/b'],
    ['GET /rest/a/b/tail', 'GET /rest/{all=**}/tail | all=a/b'],
    ['DELETE /any/1', '* /any/{x} | x=1'],
    ['POST /any/1', 'POST /any/{y} | y=1'],
    ['GET /', 'GET /'],
    ['GET /books/1?a.b=c&key=1&d=%41+e&=x&f', 'GET /books/{id} | id=1 | a.b=c | d=A+e'],
  ];
  for (const [request, found] of cases) test(request, () => assert.equal(find(request), found));

  test('options', () => {
    assert.equal(matcher(['GET /{a=**}'], { unescape: 'except-slash' })('GET /x%3F%2F'), 'GET /{a=**} | a=x?%2F');
    assert.equal(matcher(['GET /{a=**}'], { unescape: 'all' })('GET /x%2F'), 'GET /{a=**} | a=x/');
    assert.equal(matcher(['GET /{a}'], { unescapePlus: true })('GET /x?b=1+2%2B'), 'GET /{a} | a=x | b=1 2+');
    assert.equal(matcher(['GET /{a}'], { unregisteredVerbs: true })('GET /x:go'), 'none');
  });

  test('the same template twice, or none', () => {
    const paths = new PathMatcher<number>(OPTIONS);
    assert.deepEqual(
      [paths.add('GET', '/{a}', 1), paths.add('GET', '/{b}', 2), paths.add('GET', 'x', 3)],
      [true, false, false],
    );
  });

  test('a path of very many segments is nobody’s, and takes no time', () => {
    const deep = matcher(['GET /{a=**}', 'GET /x/{a=**}/y', 'GET /{a}/{b=**}/y']);
    assert.equal(deep(`GET ${'/x'.repeat(10_000)}`), 'none');
    assert.match(deep(`GET ${'/x'.repeat(200)}`), /^GET/);
  });
});
