import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { JsonDecoder } from './json-decoder.ts';
import { JsonElements } from './json-elements.ts';
import { parseJson, plainJson, TranscodeError } from './json-reader.ts';
import { formatDouble, JsonWriter, type PrintOptions } from './json-writer.ts';

const file = new URL('../../../../test/support/transcoding/library.pb', import.meta.url);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, fs.readFileSync(file)));
const Book = registry.getMessage('library.v1.Book')!;

const PLAIN: PrintOptions = {
  addWhitespace: false,
  alwaysPrintPrimitiveFields: false,
  alwaysPrintEnumsAsInts: false,
  preserveProtoFieldNames: false,
};

/** JSON into a message, over the wire, and out again. */
function through(json: string, options: Partial<PrintOptions> = {}, caseInsensitiveEnums = false): string {
  const book = create(Book);
  new JsonDecoder({ registry, caseInsensitiveEnums }).decode(Book, parseJson(json), book);
  return new JsonWriter({ ...PLAIN, ...options }, registry).print(Book, fromBinary(Book, toBinary(Book, book)));
}

const problem = (json: string): string => {
  try {
    through(json);
  } catch (error) {
    if (error instanceof TranscodeError) return error.message.split('\n')[0];
    throw error;
  }
  return '';
};

describe('reading', () => {
  const good: readonly (readonly [string, unknown])[] = [
    ["{'a': [1, 2,], b: null,}", { a: [1, 2], b: null }],
    ['"\\u00e9\\ud83d\\ude00\\q\\n"', 'é😀q\n'],
    [' [true , false,\t-1.5e3]\n', [true, false, -1500]],
    ['{"a":1,"a":2}', { a: 2 }],
  ];
  for (const [text, value] of good) test(text, () => assert.deepEqual(plainJson(parseJson(text)), value));

  const wrong: readonly (readonly [string, string])[] = [
    ['', 'Unexpected end of string. Expected a value.'],
    ['{', 'Unexpected end of string. Expected an object key or }.'],
    ['{"a"', 'Unexpected end of string. Expected : between key:value pair.'],
    ['{"a" 1', 'Expected : between key:value pair.'],
    ['[1 2]', 'Expected , or ] after array value.'],
    ['{} x', 'Parsing terminated before end of input.'],
    ['tru', 'Unexpected token.'],
    ['?', 'Expected a value.'],
    ['01', 'Octal/hex numbers are not valid JSON values.'],
    ['1.2.3', 'Unable to parse number.'],
    ['1e999', 'Number exceeds the range of double.'],
    ['"a', 'Closing quote expected in string.'],
    ['"\\ud800"', 'Missing low surrogate.'],
    ['"\\udc00"', 'Invalid unicode code point.'],
    ['['.repeat(101), "Message too deep. Max recursion depth reached for key ''"],
  ];
  for (const [text, message] of wrong) {
    test(`no JSON: ${text.slice(0, 20)}`, () => {
      assert.throws(
        () => parseJson(text),
        (error: Error) => error instanceof TranscodeError && error.message.startsWith(`${message}\n`),
      );
    });
  }
});

describe('into a message and out again', () => {
  const cases: readonly (readonly [string, string])[] = [
    [
      '{"copies":9007199254740993,"isbn":"18446744073709551615"}',
      '{"copies":"9007199254740993","isbn":"18446744073709551615"}',
    ],
    ['{"pages":1.0,"years":["2",3,null]}', '{"pages":1,"years":[2,3]}'],
    [
      '{"lent":"yes","kind":1,"kinds":["HARD_COVER","1",77]}',
      '{"lent":true,"kind":"PAPER_BACK","kinds":["HARD_COVER","PAPER_BACK",77]}',
    ],
    ['{"cover":"-_8"}', '{"cover":"+/8="}'],
    ['{"tags":"one","author":null,"nope":{"a":1}}', '{"tags":["one"]}'],
    ['{"rating":123456789,"price":1e15}', '{"rating":123456792,"price":1e+15}'],
    ['{"rating":"NaN","price":"-Infinity"}', '{"rating":"NaN","price":"-Infinity"}'],
    ['{"places":{"b":1,"a":"2"}}', '{"places":{"b":1,"a":2}}'],
    ['{"note":"n","weight":5,"reading":"1.5s"}', '{"reading":"1.500s","note":"n","weight":"5"}'],
    ['{"note":{"value":"x"},"mask":"a_b,c"}', '{"mask":"aB,c","note":"x"}'],
    ['{"anything":null,"list":[1,{}],"extra":{"a":[true]}}', '{"extra":{"a":[true]},"anything":null,"list":[1,{}]}'],
    ['{"title":"<é\\u2028\\u007f>"}', '{"title":"\\u003cé\\u2028\\u007f\\u003e"}'],
    [
      '{"other":{"first_name":"q","@type":"type.googleapis.com/library.v1.Author"}}',
      '{"other":{"@type":"type.googleapis.com/library.v1.Author","firstName":"q"}}',
    ],
    ['{"edition":0,"glue":""}', '{"edition":0,"glue":""}'],
  ];
  for (const [json, printed] of cases) test(json, () => assert.equal(through(json), printed));

  test('printed with everything', () => {
    const options = {
      addWhitespace: true,
      alwaysPrintPrimitiveFields: true,
      preserveProtoFieldNames: true,
      alwaysPrintEnumsAsInts: true,
    };
    const text = through('{"SPELLED":"x","kind":"hard-cover","editors":[{}]}', options, true);
    assert.match(text, /^\{\n "id": "",\n/);
    assert.match(text, /\n "kind": 2,\n "tags": \[\],\n/);
    assert.match(text, /\n "editors": \[\n {2}\{\n {3}"first_name": "",\n/);
    assert.match(text, /\n "spelled_oddly": "x",\n/);
    assert.doesNotMatch(text, /author"|edition|glue|note/);
    assert.match(text, /\n\}\n$/);
  });

  const wrong: readonly (readonly [string, string])[] = [
    ['[]', ': Root element must be a message.'],
    ['{"title":1}', 'title: invalid value 1 for type TYPE_STRING'],
    ['{"pages":"abc"}', 'pages: invalid value "abc" for type TYPE_INT32'],
    ['{"pages":2147483648}', 'pages: invalid value 2147483648 for type TYPE_INT32'],
    ['{"pages":1.5}', 'pages: invalid value 1.5 for type TYPE_INT32'],
    ['{"isbn":-1}', 'isbn: invalid value -1 for type TYPE_UINT64'],
    ['{"rating":1e40}', 'rating: invalid value 1e+40 for type TYPE_FLOAT'],
    ['{"cover":"!!"}', 'cover: invalid value "!!" for type TYPE_BYTES'],
    ['{"kind":"NOPE"}', 'kind: invalid value "NOPE" for type type.googleapis.com/library.v1.Kind'],
    ['{"author":"x"}', 'author: invalid value "x" for type type.googleapis.com/library.v1.Author'],
    ['{"author":[{}]}', ': Proto field is not repeating, cannot start list.'],
    ['{"title":{}}', ': invalid value Starting an object on a scalar field for type title'],
    ['{"tags":[1,2]}', 'tags[1]: invalid value 2 for type TYPE_STRING'],
    ['{"translators":{"x":{}}}', 'translators[0].key: invalid value "x" for type TYPE_INT32'],
    ['{"places":[1]}', ": invalid value Cannot bind a list to map for field 'places'. for type Map"],
    [
      '{"glue":"a","stitches":1}',
      ": invalid value oneof field 'binding' is already set. Cannot set 'stitches' for type oneof",
    ],
    ['{"weight":1.5}', 'weight.value: invalid value 1.5 for type TYPE_INT64'],
    ['{"printed":"soon"}', 'printed: invalid value "soon" for type type.googleapis.com/google.protobuf.Timestamp'],
  ];
  for (const [json, message] of wrong) test(`not so: ${json}`, () => assert.equal(problem(json), message));
});

test('numbers as C writes them', () => {
  const texts = [0, -0, 1, 0.1, 1e-7, 1e20, 123456789.12345679, 5e-324, 1e15, 999999999999999, 1 / 3].map(formatDouble);
  assert.deepEqual(texts, [
    '0',
    '-0',
    '1',
    '0.1',
    '1e-07',
    '1e+20',
    '123456789.12345679',
    '4.94065645841247e-324',
    '1e+15',
    '999999999999999',
    '0.33333333333333331',
  ]);
});

describe('the elements of a list', () => {
  const elements = (pieces: readonly string[]): string[] => {
    const found: string[] = [];
    const cutter = new JsonElements();
    pieces.forEach((piece, i) => {
      cutter.receive(Buffer.from(piece), i === pieces.length - 1, (text) => found.push(Buffer.from(text).toString()));
    });
    return found;
  };
  const text = ' [ {"a":"],\\"}"} , [1,2], \'x,\' ,5 ] ';
  const cut = [' {"a":"],\\"}"} ', ' [1,2]', " 'x,' ", '5 '];

  test('whole and in every two pieces', () => {
    assert.deepEqual(elements([text]), cut);
    for (let i = 0; i <= text.length; i++) assert.deepEqual(elements([text.slice(0, i), text.slice(i)]), cut);
    assert.deepEqual(elements([...text]), cut);
    assert.deepEqual(elements(['[]']), []);
  });

  for (const wrong of ['', '{}', '5', '[1', '[1,,2]', '[1] 2', '[{"a":1']) {
    test(`no list: ${wrong}`, () => assert.throws(() => elements([wrong]), TranscodeError));
  }
});
