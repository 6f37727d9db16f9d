import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compareRows, type TwinRow } from '../support/twin-rows.ts';

/** Header operations at every level of a route configuration. */

const add = (key: string, value: string, more: JsonObject = {}): JsonObject => ({ header: { key, value }, ...more });
const HEADERS: TwinRow['send'] = [
  {
    headers: [
      ['x-a', '1'],
      ['x-b', '2'],
    ],
  },
  {
    headers: [
      ['x-a', '1'],
      ['x-a', '2'],
    ],
  },
];
const answered = (status: number, headers: readonly (readonly [string, string])[] = []) =>
  encodeMessage(`HTTP/1.1 ${status} Whatever`, headers, 'answer');

const ROWS: readonly TwinRow[] = [
  {
    name: 'request_headers_to_add of all levels',
    routeConfig: {
      request_headers_to_add: [
        add('x-a', 'config'),
        add('x-c', 'config', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
      ],
      request_headers_to_remove: ['x-b'],
    },
    virtualHost: {
      request_headers_to_add: [add('x-a', 'host'), add('x-c', 'host', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
      request_headers_to_remove: ['x-d'],
    },
    route: {
      request_headers_to_add: [
        add('x-a', 'route'),
        add('x-c', 'route', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
      ],
      request_headers_to_remove: ['x-e'],
    },
    send: [
      {
        headers: [
          ['x-b', '1'],
          ['x-d', '1'],
          ['x-e', '1'],
        ],
      },
      ...HEADERS,
    ],
  },
  {
    name: 'most_specific_header_mutations_wins',
    routeConfig: {
      most_specific_header_mutations_wins: true,
      request_headers_to_add: [add('x-c', 'config', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
      response_headers_to_add: [add('x-c', 'config', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
    },
    virtualHost: {
      request_headers_to_add: [add('x-c', 'host', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
      response_headers_to_add: [add('x-c', 'host', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
    },
    route: {
      request_headers_to_add: [add('x-c', 'route', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
      response_headers_to_add: [add('x-c', 'route', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
    },
    send: HEADERS,
  },
  {
    name: 'response_headers_to_add of all levels',
    routeConfig: { response_headers_to_add: [add('x-a', 'config')], response_headers_to_remove: ['x-b'] },
    virtualHost: { response_headers_to_add: [add('x-a', 'host')], response_headers_to_remove: ['x-d'] },
    route: { response_headers_to_add: [add('x-a', 'route')], response_headers_to_remove: ['x-e'] },
    send: [
      {},
      {
        answer: answered(200, [
          ['x-a', '1'],
          ['x-b', '1'],
          ['x-d', '1'],
          ['x-e', '1'],
        ]),
      },
      { answer: answered(503, [['x-b', '1']]) },
    ],
  },
  ...[true, false].map(
    (append): TwinRow => ({
      name: `append: ${append}`,
      route: {
        request_headers_to_add: [add('x-a', 'new', { append }), add('x-n', 'new', { append })],
        response_headers_to_add: [add('x-a', 'new', { append })],
      },
      send: [...HEADERS, { answer: answered(200, [['x-a', '1']]) }],
    }),
  ),
  ...['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS'].map(
    (append_action): TwinRow => ({
      name: `append_action: ${append_action}`,
      route: {
        request_headers_to_add: [
          add('x-a', 'new', { append_action }),
          add('x-empty', '%REQ(x-none)%', { append_action, keep_empty_value: true }),
        ],
        response_headers_to_add: [add('x-a', 'new', { append_action }), add('server', 'own', { append_action })],
      },
      send: [
        ...HEADERS,
        {
          answer: answered(200, [
            ['x-a', '1'],
            ['x-a', '2'],
          ]),
        },
        { answer: answered(200, [['x-b', '1']]) },
      ],
    }),
  ),
];

test('header operations of routes change what Envoy and ours send on', { skip: withoutReference }, async (t) => {
  await compareRows(t, ROWS);
});
