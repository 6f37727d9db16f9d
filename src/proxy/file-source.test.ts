import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { scratch, until } from '../../test/support/reference.ts';
import { ClusterSchema } from '../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { DiscoveryResponseSchema } from '../api/gen/envoy/service/discovery/v3/discovery_pb.ts';
import { packAny } from '../api/registry.ts';
import { Logging } from '../base/log.ts';
import { Resource } from '../xds/session/resource-types.ts';
import { FileSource } from './file-source.ts';
import { FileWatcher } from './file-watcher.ts';
import { TimerWheel } from './timers.ts';

const clusters = (version: string, ...names: string[]) => `version_info: ${version}
resources:
${names.map((name) => `- {"@type": "${Resource.Cluster}", name: ${name}, alt_stat_name: ${version}}`).join('\n')}
`;

function setUp(t: TestContext, file = 'cds.yaml', contents: string | Uint8Array = clusters('one', 'a', 'b')) {
  const folder = scratch(t);
  const log: string[] = [];
  const logger = new Logging({ format: 'istio', stream: { write: (line) => void log.push(line) } }).scope('test');
  const timers = new TimerWheel(
    (work) => work(),
    undefined,
    (error) => assert.fail(String(error)),
  );
  const watcher = new FileWatcher(timers, logger);
  const at = path.join(folder, file);
  fs.writeFileSync(at, contents);
  const refused: string[] = [];
  const source = new FileSource({
    path: at,
    watcher,
    log: logger,
    unknownFields: { note: (_, what) => (what.includes('worse') ? what : void refused.push(what)) },
    now: () => 1,
  });
  t.after(() => {
    source.close();
    watcher.close();
  });
  const move = (text: string) => {
    fs.writeFileSync(`${at}.draft`, text);
    fs.renameSync(`${at}.draft`, at);
  };
  /** Everything that a subscriber hears, one line each. */
  const heard: string[] = [];
  const subscribe = (names?: string[], rejects = false) =>
    source.subscribe(
      Resource.Cluster,
      names,
      {
        onUpdate(resources, removed, settle) {
          const shown = resources.map(({ name, version, bytes }) => {
            assert.equal(fromBinary(ClusterSchema, bytes).name, name);
            return `${name}@${version}`;
          });
          heard.push(['update', ...shown, ...removed.map((name) => `-${name}`)].join(' '));
          settle(rejects ? [{ name: 'a', reason: 'no' }] : []);
        },
        onMissing: (missing) => void heard.push(['missing', ...missing].join(' ')),
      },
      {
        stats: {
          attempt: () => {},
          success: (version) => void heard.push(`success ${version}`),
          rejected: () => void heard.push('rejected'),
          failure: () => void heard.push('failure'),
          initFetchTimeout: () => {},
        },
      },
    );
  const hears = async (...wanted: string[]) => {
    await until(`${wanted}`, () => heard.length >= wanted.length || undefined);
    assert.deepEqual(heard.splice(0), wanted);
  };
  return { at, folder, move, subscribe, hears, heard, log, refused };
}

test('a file that is moved into place brings what has changed, and takes what is gone', async (t) => {
  const { move, subscribe, hears } = setUp(t);
  subscribe();
  await hears('update a@one b@one', 'success one');
  move(clusters('two', 'b', 'c'));
  await hears('update b@two c@two -a', 'success two');
  move(clusters('two', 'c'));
  await hears('update -b', 'success two');
  move('resources: []');
  await hears('update -c', 'success ');
});

test('what is written in place is not looked at before a file is moved there', async (t) => {
  const { at, move, subscribe, hears } = setUp(t);
  subscribe();
  await hears('update a@one b@one', 'success one');
  fs.writeFileSync(at, clusters('two', 'a'));
  move(clusters('three', 'a', 'b'));
  await hears('update a@three b@three', 'success three');
});

test('names: those that are there, those that are not, and those that are wanted later', async (t) => {
  const { subscribe, hears, log } = setUp(t);
  const subscription = subscribe(['b', 'x']);
  await hears('update b@one', 'success one', 'missing x');
  subscription.setNames(['b', 'a']);
  await hears('update a@one', 'success one');
  subscription.setNames(['y']);
  await hears('failure', 'missing y');
  assert.match(log.join(''), /cds\.yaml: there is none of y/);
});

test('what cannot be taken says where it is wrong, and the last good resources stay', async (t) => {
  const { at, move, subscribe, hears, log } = setUp(t);
  subscribe();
  await hears('update a@one b@one', 'success one');
  for (const [text, why] of [
    ['resources:\n- [', `${at}:2:4: `],
    [`resources:\n- {"@type": "${Resource.Cluster}",\n   lb_policy: NONE}`, `${at}:3:4: resources[0].lb_policy: `],
    [
      `resources: [{"@type": "${Resource.Listener}"}]`,
      `${at}: resources[0]: a envoy.config.cluster.v3.Cluster is wanted`,
    ],
    ['worse: 1', `${at}:1:1: worse: unknown field`],
  ] as const) {
    move(text);
    await hears('failure');
    assert.ok(log.splice(0).join('').includes(why), why);
  }
  move(clusters('two', 'a', 'b'));
  await hears('update a@two b@two', 'success two');
});

test('a field that there is none of is told, and the rest is taken', async (t) => {
  const { at, subscribe, hears, refused } = setUp(t, 'cds.yaml', `nonsense: 1\n${clusters('one', 'a')}`);
  subscribe();
  await hears('update a@one', 'success one');
  assert.deepEqual(refused, [`${at}:1:1: nonsense: unknown field of envoy.service.discovery.v3.DiscoveryResponse`]);
});

test('refused resources are counted and told', async (t) => {
  const { at, subscribe, hears, log } = setUp(t);
  subscribe(undefined, true);
  await hears('update a@one b@one', 'rejected');
  assert.ok(log.join('').includes(`${at}: a: no`));
});

test('JSON and protobuf, by the ending of the name', async (t) => {
  const any = packAny(ClusterSchema, toBinary(ClusterSchema, create(ClusterSchema, { name: 'p' })));
  const response = create(DiscoveryResponseSchema, { versionInfo: 'one', resources: [any] });
  const files: readonly (readonly [string, string | Uint8Array])[] = [
    ['a.json', `{"versionInfo": "one", "resources": [{"@type": "${Resource.Cluster}", "name": "p"}]}`],
    ['a.pb', toBinary(DiscoveryResponseSchema, response)],
  ];
  for (const [name, contents] of files) {
    const { subscribe, hears } = setUp(t, name, contents);
    subscribe();
    await hears('update p@one', 'success one');
  }
  const { subscribe, hears } = setUp(t, 'a.pb_text', 'version_info: "one"');
  subscribe();
  await hears('failure', 'missing');
});
