import assert from 'node:assert/strict';
import { it } from 'node:test';
import { matchesLabelSelector } from '../../config/labels.ts';
import { parseLabelSelector } from './label-selector.ts';

const LABELS = { app: 'web', tier: 'front', 'istio.io/rev': 'default' };

const CASES: readonly (readonly [selector: string, matches: boolean])[] = [
  ['', true],
  ['app=web', true],
  ['app==web,tier=front', true],
  ['app=web,tier=back', false],
  ['app!=web', false],
  ['other!=web', true],
  ['app', true],
  ['!app', false],
  ['!other', true],
  ['app in (web, api)', true],
  ['app notin (web,api),tier=front', false],
  ['tier=front,app in (api,web)', true],
  ['istio.io/rev=default', true],
  ['other=', false],
];

for (const [selector, matches] of CASES) {
  it(`"${selector}" ${matches ? 'matches' : 'does not match'}`, () =>
    assert.equal(matchesLabelSelector(parseLabelSelector(selector), LABELS), matches));
}

for (const selector of ['a=b=c d', 'app in web', 'a b', ',', '=x', 'a//b=c']) {
  it(`"${selector}" is refused`, () =>
    assert.throws(() => parseLabelSelector(selector), /unable to parse the selector/));
}
