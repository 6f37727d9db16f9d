import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, socketAddress } from '../support/envoy-config.ts';
import { exchange } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { requestBytes, start, type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

const fromFile = (file: string, watched?: string): JsonObject => ({
  path_config_source: { path: file, ...(watched !== undefined && { watched_directory: { path: watched } }) },
  resource_api_version: 'V3',
});

const typed = (type: string, resource: JsonObject): JsonObject => ({
  '@type': `type.googleapis.com/envoy.config.${type}`,
  ...resource,
});

const response = (version: string, resources: readonly JsonObject[]): JsonObject => ({
  version_info: version,
  resources: [...resources],
});

/** The files of a twin. */
class Files {
  readonly #folder: string;

  constructor(env: Pick<TwinEnv, 'folder'>) {
    this.#folder = env.folder;
  }

  at(name: string): string {
    return path.join(this.#folder, name);
  }

  /** Moves a file into its place. */
  put(name: string, contents: JsonObject | string): void {
    const text = typeof contents === 'string' ? contents : JSON.stringify(contents);
    fs.writeFileSync(this.at('draft'), text);
    fs.renameSync(this.at('draft'), this.at(name));
  }

  /** Puts a folder in the place of another, as Kubernetes does with what it mounts. */
  mount(link: string, version: string, name: string, contents: JsonObject): void {
    fs.mkdirSync(this.at(`${link}/${version}`), { recursive: true });
    fs.writeFileSync(this.at(`${link}/${version}/${name}`), JSON.stringify(contents));
    fs.symlinkSync(version, this.at(`${link}/..draft`));
    fs.renameSync(this.at(`${link}/..draft`), this.at(`${link}/..data`));
    if (!fs.existsSync(this.at(`${link}/${name}`))) fs.symlinkSync(`..data/${name}`, this.at(`${link}/${name}`));
  }
}

const clusters = (env: TwinEnv, version = 'clusters 1', more: JsonObject = {}): JsonObject =>
  response(version, [
    typed('cluster.v3.Cluster', { ...cluster('backend', env.backend('backend')), ...more }),
    typed('cluster.v3.Cluster', {
      name: 'endpoints',
      type: 'EDS',
      connect_timeout: '5s',
      eds_cluster_config: {
        service_name: 'of a service',
        eds_config: fromFile(new Files(env).at('mount/eds.json'), new Files(env).at('mount')),
      },
    }),
  ]);

const endpoints = (env: TwinEnv, backend: string, version: string): JsonObject =>
  response(version, [
    typed('endpoint.v3.ClusterLoadAssignment', {
      cluster_name: 'of a service',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(env.backend(backend)) } }] }],
    }),
  ]);

const routes = (version: string, answer: string): JsonObject =>
  response(version, [
    typed('route.v3.RouteConfiguration', {
      name: 'routes',
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [
            { match: { path: '/direct' }, direct_response: { status: 200, body: { inline_string: answer } } },
            { match: { path: '/endpoints' }, route: { cluster: 'endpoints' } },
            { match: { prefix: '/' }, route: { cluster: 'backend' } },
          ],
        },
      ],
    }),
  ]);

function listeners(env: TwinEnv, version: string, names: readonly string[]): JsonObject {
  const all = names.map((name) => {
    const listener = httpListener(name, {
      port: env.port(name),
      log: env.log(name),
      manager: {
        route_config: undefined as never,
        rds: { route_config_name: 'routes', config_source: fromFile(new Files(env).at('rds.yaml')) },
      },
    });
    return typed('listener.v3.Listener', listener);
  });
  return response(version, all);
}

const bootstrap = (env: TwinEnv): JsonObject => {
  const files = new Files(env);
  files.mount('mount', 'one', 'eds.json', endpoints(env, 'backend', 'endpoints 1'));
  files.put('cds.json', clusters(env));
  files.put('rds.yaml', routes('routes 1', 'one'));
  files.put('lds.json', listeners(env, 'listeners 1', ['main']));
  return {
    node: { id: 'test', cluster: 'test' },
    dynamic_resources: { cds_config: fromFile(files.at('cds.json')), lds_config: fromFile(files.at('lds.json')) },
  };
};

/** What is compared of the statistics: subscriptions, and how often each was tried and what became of it. */
const SUBSCRIPTIONS = {
  cds: 'cluster_manager.cds',
  lds: 'listener_manager.lds',
  rds: 'http.main.rds.routes',
  eds: 'cluster.endpoints',
} as const;
const COUNTED = ['update_attempt', 'update_success', 'update_failure', 'update_rejected', 'version_text'];

async function stats(twin: Twin): Promise<Map<string, string>> {
  const lines = (await twin.admin('/stats')).split('\n');
  const wanted = Object.values(SUBSCRIPTIONS).flatMap((prefix) => COUNTED.map((name) => `${prefix}.${name}`));
  return new Map(
    wanted.map((name) => [name, lines.find((line) => line.startsWith(`${name}: `))?.split(': ')[1] ?? '']),
  );
}

/** Status and the first word of what is answered. */
async function ask(twin: Twin, listener: string, target: string): Promise<string> {
  try {
    const { status, body } = await exchange(twin.env.port(listener), [requestBytes({ path: target })]);
    return `${status} ${body.toString('latin1').split(/[\s/]/)[0]}`;
  } catch (error) {
    return /ECONNREFUSED/.test(String(error)) ? 'refused' : String(error);
  }
}

interface Step {
  readonly what: string;
  readonly does: (files: Files, env: TwinEnv) => void;
  /** Whose update it is: one more attempt of it is waited for. */
  readonly by: keyof typeof SUBSCRIPTIONS;
  /** What both answer then to `/direct`, `/endpoints` and `/`, by listener. */
  readonly answers: readonly [direct: string, endpoints: string, other: string];
  readonly second?: string;
  /** Statistics that differ, and why that is right. */
  readonly except?: readonly string[];
}

const GOOD = '200 GET';
const withName = (answer: string, name: string): JsonObject => {
  const { version_info: version, resources } = routes(answer, answer) as {
    version_info: string;
    resources: JsonObject[];
  };
  return response(version, [{ ...resources[0], name }]);
};

/**
 * Envoy rejects a file without the name that is wanted, or with resources of another type, where we count that it cannot
 * be used.
 */
const UNUSABLE = ['http.main.rds.routes.update_failure', 'http.main.rds.routes.update_rejected'];

const STEPS: readonly Step[] = [
  {
    what: 'routes are moved into their place',
    does: (files) => files.put('rds.yaml', routes('routes 2', 'two')),
    by: 'rds',
    answers: ['200 two', GOOD, GOOD],
  },
  {
    what: 'a file is written in place, which nobody looks at; then one that cannot be read',
    does: (files) => {
      fs.writeFileSync(files.at('rds.yaml'), JSON.stringify(routes('routes 3', 'three')));
      files.put('rds.yaml', 'resources: [');
    },
    by: 'rds',
    answers: ['200 two', GOOD, GOOD],
  },
  {
    what: 'a field that there is none of has no effect',
    does: (files) => files.put('rds.yaml', { ...routes('routes 4', 'four'), nonsense: 1 }),
    by: 'rds',
    answers: ['200 four', GOOD, GOOD],
  },
  {
    what: 'YAML as people write it',
    does: (files) =>
      files.put(
        'rds.yaml',
        `version_info: routes 5
resources:
- "@type": type.googleapis.com/envoy.service.discovery.v3.Resource
  name: routes
  resource:
    "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
    name: routes
    virtual_hosts:
    - name: all
      domains: ["*"]
      routes:
      - {match: {path: /direct}, direct_response: {status: 200, body: {inline_string: five}}}
      - {match: {prefix: /}, route: {cluster: backend}}
`,
      ),
    by: 'rds',
    answers: ['200 five', GOOD, GOOD],
  },
  {
    what: 'routes of another name are not the ones that are wanted',
    does: (files) => files.put('rds.yaml', withName('six', 'another')),
    by: 'rds',
    answers: ['200 five', GOOD, GOOD],
    except: UNUSABLE,
  },
  {
    what: 'clusters are no routes',
    does: (files, env) => files.put('rds.yaml', clusters(env, 'clusters as routes')),
    by: 'rds',
    answers: ['200 five', GOOD, GOOD],
    except: UNUSABLE,
  },
  {
    what: 'routes again',
    does: (files) => files.put('rds.yaml', routes('routes 7', 'seven')),
    by: 'rds',
    answers: ['200 seven', GOOD, GOOD],
    except: UNUSABLE,
  },
  {
    what: 'clusters are refused for one that is wrong',
    does: (files, env) => files.put('cds.json', clusters(env, 'clusters 2', { connect_timeout: '-1s' })),
    by: 'cds',
    answers: ['200 seven', GOOD, GOOD],
    except: UNUSABLE,
  },
  {
    what: 'clusters change, and the others are left alone',
    does: (files, env) => files.put('cds.json', clusters(env, 'clusters 3', { alt_stat_name: 'x' })),
    by: 'cds',
    answers: ['200 seven', GOOD, GOOD],
    except: UNUSABLE,
  },
  {
    what: 'a listener comes',
    does: (files, env) => files.put('lds.json', listeners(env, 'listeners 2', ['main', 'second'])),
    by: 'lds',
    answers: ['200 seven', GOOD, GOOD],
    second: '200 seven',
    except: UNUSABLE,
  },
  {
    what: 'one listener is right and the other is not',
    does: (files, env) => {
      const { resources } = listeners(env, '', ['main', 'third']) as { resources: JsonObject[] };
      const [main, third] = resources as [JsonObject, JsonObject];
      files.put(
        'lds.json',
        response('listeners 3', [main, { ...third, filter_chains: [{ filters: [{ name: 'none' }] }] }]),
      );
    },
    by: 'lds',
    answers: ['200 seven', GOOD, GOOD],
    second: 'refused',
    except: UNUSABLE,
  },
  {
    what: 'a folder is mounted over another one: endpoints',
    does: (files, env) => files.mount('mount', 'two', 'eds.json', endpoints(env, 'other', 'endpoints 2')),
    by: 'eds',
    answers: ['200 seven', '203 ', GOOD],
    except: UNUSABLE,
  },
  {
    what: 'endpoints that are none',
    does: (files) => files.mount('mount', 'three', 'eds.json', { resources: 'nothing' }),
    by: 'eds',
    answers: ['200 seven', '203 ', GOOD],
    except: UNUSABLE,
  },
  {
    what: 'clusters go',
    does: (files) => files.put('cds.json', response('clusters 4', [])),
    by: 'cds',
    answers: ['200 seven', '503 ', '503 '],
    except: UNUSABLE,
  },
];

test('clusters, listeners, routes and endpoints out of files', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main', 'second', 'third'],
    bootstrap,
    backends: () => ({ other: () => 'HTTP/1.1 203 Other\r\ncontent-length: 0\r\n\r\n' }),
  });
  const both = [twins.envoy, twins.isthmus];
  assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  for (const { what, does, by, answers, second = 'refused', except = [] } of STEPS) {
    await t.test(what, async () => {
      const attempts = `${SUBSCRIPTIONS[by]}.update_attempt`;
      const [envoy, isthmus] = await Promise.all(
        both.map(async (twin) => {
          const before = Number((await stats(twin)).get(attempts));
          does(new Files(twin.env), twin.env);
          await until(`${twin.program} tries it`, async () => {
            const now = (await stats(twin)).get(attempts);
            return now === '' || Number(now) > before || undefined;
          });
          const seen = async () =>
            await Promise.all([
              ...['/direct', '/endpoints', '/'].map((p) => ask(twin, 'main', p)),
              ask(twin, 'second', '/direct'),
            ]);
          const wanted = [...answers, second];
          await until(
            `${twin.program} answers ${wanted}`,
            async () => String(await seen()) === String(wanted) || undefined,
          ).catch(async () => assert.deepEqual(await seen(), wanted, twin.program));
          const counted = await stats(twin);
          for (const name of except) counted.delete(name);
          return counted;
        }),
      );
      assert.deepEqual(isthmus, envoy);
    });
  }
});

test('a file that is not there', { skip: withoutReference }, async (t) => {
  const missing = (env: TwinEnv): JsonObject => ({
    node: { id: 'test', cluster: 'test' },
    dynamic_resources: { cds_config: fromFile(new Files(env).at('nowhere.yaml')) },
  });
  for (const program of ['envoy', 'isthmus'] as const) {
    await assert.rejects(start(t, program, { listeners: [], bootstrap: missing }), /nowhere\.yaml/);
  }
});
