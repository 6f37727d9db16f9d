import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { Schema } from '../schema/index.ts';
import { gatewayHostSchema } from './gateway-host/schema.ts';
import { globalConfigSchema } from './global-config/schema.ts';
import { httpFilterSchema } from './http-filter/schema.ts';
import { policyOverlaySchema } from './policy-overlay/schema.ts';
import { routeFilterSchema } from './route-filter/schema.ts';
import { serviceRouteSchema } from './service-route/schema.ts';
import { FILTER_TYPES, REFUSED_FILTERS, readFilter } from './shared/enroute-filters.ts';
import { enrouteRoute, enrouteService } from './shared/enroute-route.ts';
import { tlsCertificateDelegationSchema } from './tls-certificate-delegation/schema.ts';

/** The first two columns of the tables of docs/enroute.md, by the heading above each. */
function tables(): Map<string, [string, string][]> {
  const page = fs.readFileSync(path.join(import.meta.dirname, '../../../docs/enroute.md'), 'utf8');
  const found = new Map<string, [string, string][]>();
  let rows: [string, string][] = [];
  for (const line of page.split('\n')) {
    const heading = /^### (.*)$/.exec(line)?.[1];
    if (heading !== undefined) found.set(heading, (rows = []));
    const [, field, status] = /^\| (`.*?`) \| ([a-z ]+) \|/.exec(line) ?? [];
    if (field !== undefined && status !== undefined) rows.push([field.replaceAll('`', ''), status]);
  }
  return found;
}

/** Every field below a schema, as `a.b[].c`; what is in `elsewhere` has a table of its own. */
function fieldsOf(schema: Schema<unknown>, elsewhere: readonly unknown[], at = ''): string[] {
  const { type, fields, items } = schema as unknown as {
    readonly type: string;
    readonly fields?: Readonly<Record<string, Schema<unknown>>>;
    readonly items?: Schema<unknown>;
  };
  const isElsewhere = elsewhere.some((other) => (other as { fields: unknown }).fields === fields);
  if (type === 'array') return fieldsOf(items!, elsewhere, `${at}[]`);
  if (type !== 'object' || (at !== '' && isElsewhere)) return [at];
  return Object.entries(fields!).flatMap(([name, field]) =>
    fieldsOf(field, elsewhere, at === '' ? name : `${at}.${name}`),
  );
}

const PAGE = tables();
const fieldsIn = (heading: string) => (PAGE.get(heading) ?? []).map(([field]) => field).sort();
const unique = (fields: readonly string[]) => [...new Set(fields)].sort();
const shared = [enrouteRoute, enrouteService];

describe('the tables of docs/enroute.md', () => {
  const kinds: readonly (readonly [string, readonly Schema<unknown>[]])[] = [
    ['GatewayHost', [gatewayHostSchema]],
    ['ServiceRoute', [serviceRouteSchema]],
    ['Route', [enrouteRoute]],
    ['Service', [enrouteService]],
    [
      'HttpFilter, RouteFilter, PolicyOverlay, GlobalConfig',
      [httpFilterSchema, routeFilterSchema, policyOverlaySchema, globalConfigSchema],
    ],
    ['TLSCertificateDelegation', [tlsCertificateDelegationSchema]],
  ];
  for (const [heading, schemas] of kinds) {
    test(`${heading} has every field of the schema, and no other`, () => {
      assert.deepEqual(fieldsIn(heading), unique(schemas.flatMap((schema) => fieldsOf(schema, shared))));
    });
  }

  test('the filters are those that are honoured, and those that are refused', () => {
    const statuses = Object.fromEntries(PAGE.get('Filters') ?? []);
    const expected = [
      ...Object.keys(FILTER_TYPES).map((type) => [type, 'supported']),
      ...Object.keys(REFUSED_FILTERS).map((type) => [type, 'refused']),
    ];
    assert.deepEqual(statuses, Object.fromEntries(expected));
    for (const [type, status] of PAGE.get('Filters') ?? []) {
      const read = readFilter(type, '{}');
      const isRefused = 'isKnown' in read && !read.isKnown;
      assert.equal(isRefused ? 'refused' : 'supported', status, type);
    }
  });

  test('the settings of filters are those of their schemas', () => {
    const expected = Object.entries(FILTER_TYPES).flatMap(([type, { config }]) =>
      fieldsOf(config as Schema<unknown>, []).map((field) => {
        // Rules are an AuthorizationPolicy's, and limits are nested.
        const whole = /^(rules\[\]|descriptors\[\](?=\.(key|value|rate_limit|descriptors)))/.exec(field)?.[1];
        return `${type} ${whole ?? field}`;
      }),
    );
    assert.deepEqual(fieldsIn('Settings of filters'), unique(expected));
  });
});
