import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Headers } from '../../wire/headers.ts';
import { DataStatus, HeadersStatus, type HttpFilter, TrailersStatus } from './filter.ts';
import { FilterPass, type PassEntry, type PassSink } from './filter-pass.ts';

/**
 * What a scripted filter does. `headers`: `go`, `stop` or `all`; `data`: one answer per piece, the last one for all
 * that follow: `go`, `keep` or `take`; `trailers`: `go` or `stop`. Answers may begin with `add:TEXT+` (adds body),
 * `trailers+` (adds trailers), `resume+` (continues from within the call) or `more+` (another filter comes up).
 */
interface Script {
  readonly name: string;
  readonly headers?: string;
  readonly data?: readonly string[];
  readonly trailers?: string;
}

/**
 * Events: `headers` (`headers$` if they end the message), `TEXT` or `TEXT$` for body, `trailers`, `resume NAME`,
 * `inject NAME TEXT`, `replace NAME TEXT`. What comes of it: `NAME headers`, `NAME TEXT$` and so on for calls of
 * filters, `out ...` for what has passed them all, `hold` and `let go` for the sender, `overflow`.
 */
interface Case {
  readonly name: string;
  readonly filters: readonly Script[];
  readonly events: readonly string[];
  readonly want: readonly string[];
  readonly limit?: number;
}

const HEADERS = { go: HeadersStatus.Continue, stop: HeadersStatus.StopIteration, all: HeadersStatus.StopAll } as const;
const DATA = {
  go: DataStatus.Continue,
  keep: DataStatus.StopAndBuffer,
  take: DataStatus.StopNoBuffer,
  slow: DataStatus.StopAndWatermark,
} as const;
const TRAILERS = { go: TrailersStatus.Continue, stop: TrailersStatus.Stop } as const;

function run(one: Case, request: boolean): string[] {
  const seen: string[] = [];
  const text = (chunk: Uint8Array, end: boolean) => `${Buffer.from(chunk).toString()}${end ? '$' : ''}`;
  const scripts = request ? [...one.filters] : [...one.filters].reverse();
  const entries: PassEntry[] = [];
  let pass: FilterPass | undefined;
  let over = false;
  const place = (name: string) => one.filters.findIndex((f) => f.name === name);

  const act = (script: Script, answer: string): string => {
    const at = place(script.name);
    const steps = answer.split('+');
    for (const step of steps.slice(0, -1)) {
      if (step.startsWith('add:')) pass!.add(at, Buffer.from(step.slice(4)));
      else if (step === 'trailers') pass!.addTrailers(at, Headers.response(0));
      else if (step === 'resume') pass!.resume(at);
      else if (step === 'reply') over = true;
      else assert.fail(step);
    }
    return steps.at(-1)!;
  };
  const filterOf = (script: Script): HttpFilter => {
    let pieces = 0;
    const headers = (_: Headers, end: boolean) => {
      seen.push(`${script.name} headers${end ? '$' : ''}`);
      return HEADERS[act(script, script.headers ?? 'go') as keyof typeof HEADERS];
    };
    const data =
      script.data &&
      ((chunk: Uint8Array, end: boolean) => {
        seen.push(`${script.name} ${text(chunk, end)}`);
        const answers = script.data!;
        return DATA[act(script, answers[Math.min(pieces++, answers.length - 1)]) as keyof typeof DATA];
      });
    const trailers =
      script.trailers !== undefined
        ? () => {
            seen.push(`${script.name} trailers`);
            return TRAILERS[act(script, script.trailers!) as keyof typeof TRAILERS];
          }
        : undefined;
    return request
      ? { requestHeaders: headers, requestData: data, requestTrailers: trailers }
      : { responseHeaders: headers, responseData: data, responseTrailers: trailers };
  };
  const entry = (filter: HttpFilter) => ({
    filter,
    requestHold: HeadersStatus.Continue,
    responseHold: HeadersStatus.Continue,
  });
  for (const script of scripts) entries.push(entry(filterOf(script)));
  const sink: PassSink = {
    passHeaders: (_, end) => seen.push(`out headers${end ? '$' : ''}`),
    passData: (chunk, end) => seen.push(`out ${text(chunk, end)}`),
    passTrailers: () => seen.push('out trailers'),
    moreFilters: () => false,
    overflow() {
      seen.push('overflow');
      over = true;
    },
    holdSender: (_, hold) => seen.push(hold ? 'hold' : 'let go'),
    isOver: () => over,
  };
  if (request) {
    // The last filter of a request takes it, as the router does.
    entries.push(
      entry({
        requestHeaders(_, end) {
          sink.passHeaders(_, end);
          return HeadersStatus.StopIteration;
        },
        requestData(chunk, end) {
          sink.passData(chunk, end);
          return DataStatus.StopNoBuffer;
        },
        requestTrailers(trailers) {
          sink.passTrailers(trailers);
          return TrailersStatus.Stop;
        },
      }),
    );
  }
  pass = new FilterPass(entries, request, sink, one.limit ?? 100);
  for (const event of one.events) {
    const [word, name, argument = ''] = event.split(' ');
    if (word === 'headers' || word === 'headers$') pass.headers(Headers.response(0), word.endsWith('$'));
    else if (word === 'trailers') pass.trailers(Headers.response(0));
    else if (word === 'resume') pass.resume(place(name));
    else if (word === 'inject')
      pass.inject(place(name), Buffer.from(argument.replace('$', '')), argument.endsWith('$'));
    else if (word === 'replace') pass.replaceBuffer(place(name), [Buffer.from(argument)]);
    else if (word === 'buffer') seen.push(`buffer ${Buffer.concat(pass.buffer(place(name))).toString()}`);
    else pass.data(Buffer.from(word.replace('$', '')), word.endsWith('$'));
  }
  return seen;
}

const CASES: readonly Case[] = [
  {
    name: 'filters without an interest are passed',
    filters: [{ name: 'A' }, { name: 'B', data: ['go'], trailers: 'go' }],
    events: ['headers', 'ab', 'c', 'trailers'],
    want: ['A headers', 'B headers', 'out headers', 'B ab', 'out ab', 'B c', 'out c', 'B trailers', 'out trailers'],
  },
  {
    name: 'a message of headers only',
    filters: [{ name: 'A', data: ['go'], trailers: 'go' }],
    events: ['headers$'],
    want: ['A headers$', 'out headers$'],
  },
  {
    name: 'StopIteration: body comes to the filter, and its answer lets both go',
    filters: [
      { name: 'A', headers: 'stop', data: ['keep', 'go'] },
      { name: 'B', data: ['go'] },
    ],
    events: ['headers', 'ab', 'cd', 'ef$'],
    want: [
      'A headers',
      'A ab',
      'A cd',
      'B headers',
      'out headers',
      'B ab',
      'out ab',
      'B cd',
      'out cd',
      'A ef$',
      'B ef$',
      'out ef$',
    ],
  },
  {
    name: 'StopIteration of a filter without an interest in body keeps the body',
    filters: [{ name: 'A', headers: 'stop' }],
    events: ['headers', 'ab', 'cd$', 'resume A'],
    want: ['A headers', 'out headers', 'out ab', 'out cd$'],
  },
  {
    name: 'StopAll: the filter sees the body only when it has continued',
    filters: [{ name: 'A', headers: 'all', data: ['go'], trailers: 'go' }],
    events: ['headers', 'ab', 'trailers', 'resume A'],
    want: ['A headers', 'out headers', 'A ab', 'out ab', 'A trailers', 'out trailers'],
  },
  {
    name: 'StopAll of headers that end the message',
    filters: [{ name: 'A', headers: 'all' }],
    events: ['headers$', 'resume A'],
    want: ['A headers$', 'out headers$'],
  },
  {
    name: 'StopAll above the limit holds the sender until the body has gone on',
    filters: [{ name: 'A', headers: 'all', data: ['go'] }],
    limit: 3,
    events: ['headers', 'ab', 'cd', 'ef$', 'resume A'],
    want: ['A headers', 'hold', 'out headers', 'A ab', 'out ab', 'A cd', 'out cd', 'A ef$', 'out ef$', 'let go'],
  },
  {
    name: 'StopAll, then kept by the same filter: more than the limit is too much',
    filters: [{ name: 'A', headers: 'all', data: ['keep'] }],
    limit: 3,
    events: ['headers', 'ab', 'cd', 'resume A'],
    want: ['A headers', 'hold', 'out headers', 'A ab', 'A cd', 'overflow'],
  },
  {
    name: 'StopAndBuffer above the limit',
    filters: [{ name: 'A', headers: 'stop', data: ['keep'] }],
    limit: 3,
    events: ['headers', 'abc', 'd'],
    want: ['A headers', 'A abc', 'A d', 'overflow'],
  },
  {
    name: 'StopAndWatermark above the limit',
    filters: [{ name: 'A', headers: 'stop', data: ['slow'] }],
    limit: 3,
    events: ['headers', 'abc', 'd', 'e$', 'resume A'],
    want: ['A headers', 'A abc', 'A d', 'hold', 'A e$', 'out headers', 'out abc', 'out d', 'out e$', 'let go'],
  },
  {
    name: 'StopNoBuffer drops the body, and the end still comes through',
    filters: [
      { name: 'A', data: ['take'] },
      { name: 'B', data: ['go'] },
    ],
    events: ['headers', 'ab', 'cd$', 'resume A'],
    want: ['A headers', 'B headers', 'out headers', 'A ab', 'A cd$', 'B $', 'out $'],
  },
  {
    name: 'what a filter took it hands on later, changed',
    filters: [
      { name: 'A', data: ['take'] },
      { name: 'B', data: ['go'] },
    ],
    events: ['headers', 'ab', 'inject A AB', 'cd$', 'inject A CD', 'inject A E$', 'resume A'],
    want: [
      'A headers',
      'B headers',
      'out headers',
      'A ab',
      'B AB',
      'out AB',
      'A cd$',
      'B CD',
      'out CD',
      'B E$',
      'out E$',
    ],
  },
  {
    name: 'handing on lets held headers go first',
    filters: [{ name: 'A', headers: 'stop', data: ['take'], trailers: 'stop' }],
    events: ['headers', 'ab', 'trailers', 'inject A AB', 'resume A'],
    want: ['A headers', 'A ab', 'A trailers', 'out headers', 'out AB', 'out trailers'],
  },
  {
    name: 'a filter that lets go does not let go of what another one keeps',
    filters: [
      { name: 'A', data: ['keep'] },
      { name: 'B', headers: 'all', data: ['go'] },
    ],
    events: ['headers', 'ab', 'resume B', 'cd$', 'resume A'],
    want: ['A headers', 'B headers', 'A ab', 'out headers', 'A cd$', 'B ab', 'out ab', 'B cd$', 'out cd$'],
  },
  {
    name: 'two filters keep, one after the other',
    filters: [
      { name: 'A', headers: 'stop', data: ['keep'] },
      { name: 'B', headers: 'stop', data: ['keep'] },
    ],
    events: ['headers', 'ab', 'cd$', 'resume A', 'resume B'],
    want: ['A headers', 'A ab', 'A cd$', 'B headers', 'B ab', 'B cd$', 'out headers', 'out ab', 'out cd$'],
  },
  {
    name: 'trailers reach a filter that keeps body behind one that kept it',
    filters: [
      { name: 'A', data: ['keep'], trailers: 'go' },
      { name: 'B', data: ['keep'], trailers: 'go' },
    ],
    events: ['headers', 'ab', 'trailers'],
    want: [
      'A headers',
      'B headers',
      'out headers',
      'A ab',
      'A trailers',
      'B ab',
      'B trailers',
      'out ab',
      'out trailers',
    ],
  },
  {
    name: 'trailers wait with the body that is kept',
    filters: [{ name: 'A', headers: 'stop', data: ['keep'], trailers: 'stop' }],
    events: ['headers', 'ab', 'trailers', 'resume A'],
    want: ['A headers', 'A ab', 'A trailers', 'out headers', 'out ab', 'out trailers'],
  },
  {
    name: 'trailers that continue let held headers go',
    filters: [{ name: 'A', headers: 'stop', data: ['keep'], trailers: 'go' }],
    events: ['headers', 'ab', 'trailers'],
    want: ['A headers', 'A ab', 'A trailers', 'out headers', 'out ab', 'out trailers'],
  },
  {
    name: 'trailers wait at a filter that stopped everything',
    filters: [
      { name: 'A', trailers: 'go' },
      { name: 'B', headers: 'all', trailers: 'stop' },
    ],
    events: ['headers', 'trailers', 'resume B', 'resume B'],
    want: ['A headers', 'B headers', 'A trailers', 'out headers', 'B trailers', 'out trailers'],
  },
  {
    name: 'continuing from within the call for headers',
    filters: [{ name: 'A', headers: 'resume+all' }, { name: 'B' }],
    events: ['headers', 'ab$'],
    want: ['A headers', 'B headers', 'out headers', 'out ab$'],
  },
  {
    name: 'continuing from within the call for trailers',
    filters: [{ name: 'A', headers: 'stop', data: ['keep'], trailers: 'resume+stop' }],
    events: ['headers', 'ab', 'trailers'],
    want: ['A headers', 'A ab', 'A trailers', 'out headers', 'out ab', 'out trailers'],
  },
  {
    name: 'body added to a message without one',
    filters: [
      { name: 'A', headers: 'add:xy+go' },
      { name: 'B', data: ['go'] },
    ],
    events: ['headers$'],
    want: ['A headers$', 'B headers', 'out headers', 'B xy$', 'out xy$'],
  },
  {
    name: 'body added to a message without one, which the next filter stops',
    filters: [
      { name: 'A', headers: 'add:xy+go' },
      { name: 'B', headers: 'all', data: ['go'] },
    ],
    events: ['headers$', 'resume B'],
    want: ['A headers$', 'B headers', 'out headers', 'B xy$', 'out xy$'],
  },
  {
    name: 'body added to a message without one by a filter that stops it',
    filters: [
      { name: 'A', headers: 'add:xy+all' },
      { name: 'B', data: ['go'] },
    ],
    events: ['headers$', 'replace A XY', 'resume A'],
    want: ['A headers$', 'B headers', 'out headers', 'B XY$', 'out XY$'],
  },
  {
    name: 'body added before the trailers',
    filters: [
      { name: 'A', data: ['go'], trailers: 'add:xy+go' },
      { name: 'B', data: ['go'], trailers: 'go' },
    ],
    events: ['headers', 'ab', 'trailers'],
    want: [
      'A headers',
      'B headers',
      'out headers',
      'A ab',
      'B ab',
      'out ab',
      'A trailers',
      'B xy',
      'out xy',
      'B trailers',
      'out trailers',
    ],
  },
  {
    name: 'trailers added to the last piece of body',
    filters: [
      { name: 'A', data: ['trailers+go'] },
      { name: 'B', data: ['go'], trailers: 'go' },
    ],
    events: ['headers', 'ab$'],
    want: ['A headers', 'B headers', 'out headers', 'A ab$', 'B ab', 'out ab', 'B trailers', 'out trailers'],
  },
  {
    name: 'trailers added to the last piece of body, which is kept',
    filters: [
      { name: 'A', data: ['keep', 'trailers+keep'] },
      { name: 'B', data: ['go'], trailers: 'go' },
    ],
    events: ['headers', 'ab', 'cd$', 'resume A'],
    want: [
      'A headers',
      'B headers',
      'out headers',
      'A ab',
      'A cd$',
      'B ab',
      'out ab',
      'B cd',
      'out cd',
      'B trailers',
      'out trailers',
    ],
  },
  {
    name: 'trailers added to a message of headers only',
    filters: [
      { name: 'A', headers: 'trailers+go' },
      { name: 'B', trailers: 'go' },
    ],
    events: ['headers$'],
    want: ['A headers$', 'B headers', 'out headers', 'B trailers', 'out trailers'],
  },
  {
    name: 'what is kept can be read and replaced',
    filters: [{ name: 'A', headers: 'stop', data: ['keep'] }],
    events: ['headers', 'ab', 'cd$', 'buffer A', 'replace A XYZ', 'buffer A', 'resume A'],
    want: ['A headers', 'A ab', 'A cd$', 'buffer abcd', 'buffer XYZ', 'out headers', 'out XYZ$'],
  },
  {
    name: 'all of what is kept taken out leaves the end',
    filters: [{ name: 'A', data: ['keep'] }],
    events: ['headers', 'ab$', 'replace A ', 'resume A'],
    want: ['A headers', 'out headers', 'A ab$', 'out $'],
  },
  {
    name: 'nothing comes to filters once the stream is over',
    filters: [{ name: 'A', headers: 'reply+go' }, { name: 'B' }],
    events: ['headers'],
    want: ['A headers'],
  },
  {
    name: 'continuing what nothing holds',
    filters: [{ name: 'A', data: ['go'] }],
    events: ['headers', 'resume A', 'ab', 'resume A', 'c$', 'resume A'],
    want: ['A headers', 'out headers', 'A ab', 'out ab', 'A c$', 'out c$'],
  },
];

for (const [direction, request] of [
  ['request', true],
  ['response', false],
] as const) {
  describe(`a ${direction} through filters`, () => {
    for (const one of CASES) test(one.name, () => assert.deepEqual(run(one, request), one.want));
  });
}

test('filters that come up while the request is on its way see it', () => {
  const seen: string[] = [];
  const entry = (name: string): PassEntry => ({
    filter: {
      requestHeaders() {
        seen.push(name);
        return name === 'last' ? HeadersStatus.StopIteration : HeadersStatus.Continue;
      },
    },
    requestHold: HeadersStatus.Continue,
    responseHold: HeadersStatus.Continue,
  });
  const entries = [entry('first')];
  const later = [entry('second'), entry('last')];
  const sink: PassSink = {
    passHeaders() {},
    passData() {},
    passTrailers() {},
    moreFilters: () => entries.push(...later.splice(0)) > 1,
    overflow() {},
    holdSender() {},
    isOver: () => false,
  };
  new FilterPass(entries, true, sink, 0).headers(Headers.request('GET', '/', 'a'), true);
  assert.deepEqual(seen, ['first', 'second', 'last']);
});
