import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkSources } from '../check.ts';
import { formatMessage } from '../message.ts';

/** A folder of Istio's own cases, which stay outside of this repository. */
const corpus = process.env.ISTHMUS_CORPUS;

interface Case {
  readonly id: string;
  readonly name: string;
  readonly valid: boolean;
  readonly hasNull?: boolean;
  readonly resource: unknown;
}

/** Long strings are written as `{$repeat, $length}`. */
function expand(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(expand);
  if (typeof value !== 'object' || value === null) return value;
  if ('$repeat' in value && '$length' in value) return String(value.$repeat).repeat(Number(value.$length));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, expand(inner)]));
}

test('accepts and refuses what istioctl does, case by case', { skip: corpus === undefined }, () => {
  const cases = JSON.parse(readFileSync(join(corpus!, 'validate/cases.json'), 'utf8')) as Case[];
  const differences = cases
    .filter((c) => c.hasNull !== true)
    .flatMap(({ id, name, valid, resource }) => {
      const { errors } = checkSources([{ name: 'case.json', text: JSON.stringify(expand(resource)) }])[0]!;
      return (errors.length === 0) === valid
        ? []
        : [`${id} (${name}): ${errors.map(formatMessage).join('; ') || 'accepted'}`];
    });
  assert.deepEqual(differences, []);
});
