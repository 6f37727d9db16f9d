import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { withoutReference } from '../support/reference.ts';
import { type Difference, formatDifference } from './translation/diff.ts';
import { compare } from './translation/fixture.ts';
import { IstiodPanic } from './translation/istiod.ts';
import { knownFields, NEVER_SET, removeSetFields } from './translation/random/coverage.ts';
import { shrink } from './translation/random/shrink.ts';
import { fixtureOf, fixtureText, type RandomMesh, randomMeshOf } from './translation/random.ts';
import { loadTypes, type Types } from './translation/resources.ts';

/**
 * SEED=123 takes one mesh, makes it as small as it fails, and leaves that in a file, which can be made a fixture. SEEDS=1-300 takes that
 * range of them; without either these are taken.
 */
const FIXED = [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13];
const MAX_SHOWN = 8;

function seeds(): readonly number[] {
  const { SEED, SEEDS } = process.env;
  if (SEED !== undefined) return [Number(SEED)];
  if (SEEDS === undefined) return FIXED;
  const [from = 1, to = from] = SEEDS.split('-').map(Number);
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

for (const seed of seeds()) {
  test(`resources are istiod's: random mesh ${seed}`, { skip: withoutReference, timeout: 600_000 }, async (t) => {
    const types = await loadTypes();
    const mesh = randomMeshOf(seed);
    let found: Difference[];
    try {
      found = await differencesOf(types, mesh);
    } catch (error) {
      if (!(error instanceof IstiodPanic)) throw error;
      t.skip(error.message);
      return;
    }
    if (found.length === 0) return;
    const shown = found.slice(0, MAX_SHOWN).map(formatDifference).join('\n');
    const hint = process.env.SEED === undefined ? `SEED=${seed} shrinks it` : `see ${await shrunk(types, mesh, found)}`;
    assert.fail(`${found.length} differences; ${hint}\n${shown}`);
  });
}

async function differencesOf(types: Types, mesh: RandomMesh): Promise<Difference[]> {
  return (await compare(types, fixtureOf(mesh))).flat();
}

/** The file of the smallest mesh that still has the first difference: of the same field, wherever that is. */
async function shrunk(types: Types, mesh: RandomMesh, found: readonly Difference[]): Promise<string> {
  const fieldOf = ({ path: at }: Difference) => /[\w@]*$/.exec(at.replaceAll(/\[[^\]]*\]| order$/g, ''))![0];
  const field = fieldOf(found[0]!);
  const fails = (smaller: RandomMesh) =>
    differencesOf(types, smaller).then(
      (left) => left.some((difference) => fieldOf(difference) === field),
      // What is left is not valid any more, or istiod cannot take it.
      () => false,
    );
  const file = path.join(os.tmpdir(), `random-mesh-${process.env.SEED}.yaml`);
  fs.writeFileSync(file, `${fixtureText(await shrink(mesh, fails))}\n`);
  return file;
}

const MESHES_FOR_ALL_FIELDS = 900;

test('random meshes set every field of Istio but those that they must not', { skip: withoutReference }, () => {
  const left = knownFields();
  for (let seed = 1; seed <= MESHES_FOR_ALL_FIELDS; seed++) removeSetFields(randomMeshOf(seed), left);
  const never = [...left.values()].flatMap((fields) => [...fields.values()]);
  assert.deepEqual(
    never.filter((field) => !NEVER_SET.some(([listed]) => listed.test(field))),
    [],
  );
});
