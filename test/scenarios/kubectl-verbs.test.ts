import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { run as runCommand } from '../../src/cli/program.ts';
import { isthmusProgram, type Output, TestedMesh } from '../support/local-mesh.ts';
import { until } from '../support/reference.ts';

const OWN = `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec: {profile: minimal}
`;

/** A program that answers, and ends when it is told to. */
const SERVER = `
import http from 'node:http';
console.log(\`listens on \${process.env.HOST}:\${process.env.PORT}\`);
http.createServer((request, response) => {
  console.log(request.url);
  if (request.url === '/crash') process.exit(3);
  response.end(\`\${process.env.HOSTNAME} has \${request.url}\\n\`);
}).listen(Number(process.env.PORT), process.env.HOST);
`;

const WORKLOADS = `
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 3000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, command: [node, server.mjs], ports: [{containerPort: 3000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: sleep}
spec:
  selector: {matchLabels: {app: sleep}}
  template:
    metadata: {labels: {app: sleep}}
    spec: {containers: [{name: sleep, command: [sleep, "1000000"]}]}
`;

const ROUTE = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match: [{uri: {prefix: /old}}]
    rewrite: {uri: /new}
    route: [{destination: {host: web}}]
  - route: [{destination: {host: web}}]
`;

/** A filter that Envoy has and our proxy does not: it refuses the listener. */
const REFUSED_BY_PROXY = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: unsupported}
spec:
  workloadSelector: {labels: {app: web}}
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: SIDECAR_INBOUND, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}}
    patch:
      operation: INSERT_FIRST
      value:
        name: envoy.filters.http.adaptive_concurrency
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency
          gradient_controller_config:
            concurrency_limit_params: {concurrency_update_interval: 1s}
            min_rtt_calc_params: {interval: 60s, request_count: 10}
`;

const ok = (stdout: string): Output => ({ code: 0, stdout, stderr: '' });
const fails = (stderr: string): Output => ({ code: 1, stdout: '', stderr });

describe('verbs of kubectl on a running mesh', { timeout: 400_000 }, () => {
  let mesh: TestedMesh;
  const ends: (() => void | Promise<void>)[] = [];

  before(async () => {
    const t = { after: (fn: () => void | Promise<void>) => void ends.push(fn) };
    mesh = await TestedMesh.start(t, { 'own.yaml': OWN, 'workloads.yaml': WORKLOADS, 'server.mjs': SERVER });
    Object.assign(process.env, mesh.env);
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
  });

  /** Runs a command in this process: dozens of them, which need not each load the program anew. */
  const run = async (line: string, input = ''): Promise<Output> => {
    const written = { stdout: '', stderr: '' };
    const stream = (name: keyof typeof written) => ({ write: (text: string) => (written[name] += text) });
    const streams = { stdin: Readable.from([input]), stdout: stream('stdout'), stderr: stream('stderr') };
    const code = await runCommand(line.split(' '), streams);
    return { code, ...written };
  };
  /** Runs a command whose programs write past our streams. */
  const spawned = (line: string, input?: string) => mesh.isthmus(line.split(' '), input);
  const podOf = async (app: string) => (await run(`get pods -l app=${app} -o name`)).stdout.trim().replace('pod/', '');

  /** Starts a command that goes on; `text` is what it has printed so far. */
  const start = (line: string) => {
    const [node, main] = isthmusProgram();
    const child = spawn(node, [main, ...line.split(' ')], { env: { ...process.env, ...mesh.env }, cwd: mesh.dir });
    ends.push(() => void child.kill('SIGKILL'));
    const state = { text: '', child, ended: new Promise<number | null>((resolve) => child.once('exit', resolve)) };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (state.text += text));
    return state;
  };

  it('status says that all is well', async () => {
    const { code, stdout, stderr } = await run('status --wait');
    assert.equal(stderr, '');
    assert.equal(code, 0, stdout);
    assert.match(
      stdout,
      /^mesh mesh of \S+ is ready; it runs for \d+s as process \d+\n\nNAMESPACE +NAME +READY +STATUS/,
    );
    assert.match(stdout, /\ndefault +sleep-\S+ +2\/2 +Running +0 +\d+s +127\.\d+\.\d+\.\d+ +sleep,istio-proxy\n/);
    assert.match(stdout, /\ncontrol plane: Running at \S+:15012; snapshot \d+ of \d+ objects, 0 refused, 0 warnings;/);
    const json = JSON.parse((await run('status -o json')).stdout);
    assert.deepEqual([json.ready, json.notReady, json.pods.length], [true, [], 2]);
  });

  it('get prints tables, and says what there is not', async () => {
    assert.match(
      (await run('get deploy')).stdout,
      /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nsleep +1\/1 +1 +1 +\d+s\nweb +1\/1/,
    );
    assert.match(
      (await run('get pods,svc -l app=web')).stdout,
      /^NAME +READY +STATUS +RESTARTS +AGE\npod\/web-\S+ +2\/2 +Running +0 +\d+s\n\nNAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE\nservice\/web +ClusterIP/,
    );
    assert.match(
      (await run('get ns')).stdout,
      /^NAME +STATUS +AGE\ndefault +Active +\d+s\nistio-system +Active +\d+s\n$/,
    );
    assert.deepEqual(await run('get vs'), { ...fails('No resources found in default namespace.\n'), code: 0 });
    assert.deepEqual(
      await run('get vs web'),
      fails('Error from server (NotFound): virtualservices.networking.istio.io "web" not found\n'),
    );
    assert.deepEqual(await run('get nonsense'), fails('error: the server doesn\'t have a resource type "nonsense"\n'));
    const usage = "error: unknown flag: --nonsense\nSee 'isthmus get --help' for usage.\n";
    assert.deepEqual(await run('get vs --nonsense'), fails(usage));
    assert.deepEqual(await run('get svc web -o jsonpath={.spec.ports[0].targetPort}'), ok('3000'));
  });

  it('apply --wait returns when what it changes has changed', async () => {
    const first = await run('apply -f - --wait', ROUTE);
    assert.deepEqual([first.code, first.stderr], [0, '']);
    assert.match(
      first.stdout,
      /^virtualservice\.networking\.istio\.io\/web created\nsnapshot \d+ is in force: \d affected prox(y|ies) acknowledged it\n$/,
    );
    const answer = await spawned('exec deploy/sleep -- curl -sS http://web/old');
    assert.deepEqual(answer, ok(`${await podOf('web')} has /new\n`));

    assert.deepEqual(await run('apply -f - -o name', ROUTE), ok('virtualservice.networking.istio.io/web\n'));
    assert.deepEqual(await run('apply -f -', ROUTE), ok('virtualservice.networking.istio.io/web unchanged\n'));
    const changed = ROUTE.replace('/new', '/newer');
    assert.deepEqual(
      await run('apply -f - --dry-run=server', changed),
      ok('virtualservice.networking.istio.io/web configured (server dry run)\n'),
    );
    assert.match((await run('get vs')).stdout, /^NAME {3}GATEWAYS {3}HOSTS {5}AGE\nweb {15}\["web"\] {3}\d+s\n$/);
    assert.match((await run('apply -f - --wait', changed)).stdout, /web configured\nsnapshot/);
    assert.equal((await spawned('exec sleep -- curl -sS http://web/old')).stdout, `${await podOf('web')} has /newer\n`);
  });

  it('apply refuses with the place and what to do, and changes nothing', async () => {
    const wrong = path.join(mesh.dir, '..', 'wrong.yaml');
    fs.writeFileSync(wrong, ROUTE.replace('hosts:', 'hostz:'));
    assert.deepEqual(
      await run(`apply -f ${wrong}`),
      fails(`error: ${wrong}:6:3: VirtualService/default/web: spec.hostz is an unknown field; did you mean "hosts"?\n`),
    );
    assert.equal((await spawned('exec sleep -- curl -sS http://web/old')).stdout, `${await podOf('web')} has /newer\n`);
    assert.deepEqual(await run('apply -f -'), fails('error: no objects passed to apply\n'));
    assert.deepEqual(await run('apply -f nope.yaml'), fails('error: the path "nope.yaml" does not exist\n'));
    assert.deepEqual(
      await run('apply -n other -f -', ROUTE.replace('name: web', 'name: web\n  namespace: third')),
      fails(
        'error: the namespace from the provided object "third" does not match the namespace "other". You must pass \'--namespace=third\' to perform this operation.\n',
      ),
    );
  });

  it('x describe tells what configuration has to do with a pod and a service', async () => {
    const pod = await podOf('web');
    assert.deepEqual(
      await run(`x describe pod ${pod}`),
      ok(`Pod: ${pod}
   Pod Revision: default
   Pod Ports: 3000 (main), 15090 (istio-proxy)
--------------------
Service: web
   Port: http 80/HTTP targets pod port 3000
VirtualService: web
   Match: /old*
--------------------
Effective PeerAuthentication:
   Workload mTLS mode: PERMISSIVE
Skipping Gateway information (no ingress gateway pods)
`),
    );
    assert.match(
      (await run('x des svc web.default')).stdout,
      /^Service: web\n.*\nVirtualService: web\n {3}Match: \/old\*\n/,
    );
    assert.deepEqual(await run('x describe svc nope'), fails('Error: services "nope" not found\n'));
  });

  it('a file that is refused is told by get and status, and its last good version stays', async () => {
    const file = path.join(mesh.dir, 'route.yaml');
    fs.writeFileSync(file, ROUTE.replaceAll('web', 'other'));
    await until('the file is read', async () => (await run('get vs other')).code === 0 || undefined);
    fs.writeFileSync(file, ROUTE.replaceAll('web', 'other').replace('hosts:', 'hostz:'));
    const wrong =
      /route\.yaml:6:3: VirtualService\/default\/other: spec\.hostz is an unknown field; .*; its last good version stays in force\n/;
    const got = await until('the file is refused', async () => {
      const output = await run('get vs other');
      return output.stderr.includes('hostz') ? output : undefined;
    });
    assert.equal(got.code, 0);
    assert.match(got.stderr, wrong);
    const status = await run('status');
    assert.equal(status.code, 0);
    assert.match(status.stdout, wrong);
    assert.match(status.stdout, /1 refused/);
    fs.rmSync(file);
    await until('the file is gone', async () => (await run('get vs other')).code === 1 || undefined);
  });

  it('what does not fit together is told by apply, get and status', async () => {
    const dangling = ROUTE.replaceAll('web', 'dangling').replace('hosts:', 'gateways: [nowhere]\n  hosts:');
    const finding =
      /^(?:Warning|error): \S+\.yaml:\d+:\d+: VirtualService\/default\/dangling: spec\.gateways\[0\]: \[IST0101\] Referenced gateway not found: "nowhere"\. Create it, or correct the name\.$/m;
    const applied = await run('apply -f -', dangling);
    assert.deepEqual([applied.code, applied.stdout], [0, 'virtualservice.networking.istio.io/dangling created\n']);
    assert.match(applied.stderr, finding);
    assert.match((await run('get vs dangling')).stderr, finding);
    assert.equal((await run('get vs web')).stderr, '');
    assert.equal((await run('get vs dangling -o name')).stderr, '');
    assert.match((await run('status')).stdout, finding);
    const { analysis } = JSON.parse((await run('status -o json')).stdout);
    assert.ok(
      analysis.some((m: { code: string; origin: string }) => m.code === 'IST0101' && m.origin.endsWith('dangling')),
    );
    assert.equal((await run('delete vs dangling')).code, 0);
  });

  it('apply --wait names a proxy that refuses, and the reason', async () => {
    const { code, stdout, stderr } = await run('apply -f - --wait', REFUSED_BY_PROXY);
    assert.equal(code, 1);
    assert.equal(stdout, 'envoyfilter.networking.istio.io/unsupported created\n');
    const pod = await podOf('web');
    assert.match(stderr, /error: snapshot \d+ is not in force everywhere; without it: 1 of 1 affected proxy\n/);
    assert.match(stderr, new RegExp(`\\n {2}${pod}\\.default rejected LDS .*AdaptiveConcurrency is not supported\\n$`));
    assert.match((await run('status')).stdout, new RegExp(`\\nerror: ${pod}\\.default rejected LDS`));
    const gone = await run('delete -f - --wait', REFUSED_BY_PROXY);
    assert.equal(gone.code, 0, gone.stderr);
    assert.match(
      gone.stdout,
      /^envoyfilter\.networking\.istio\.io "unsupported" deleted from default namespace\nsnapshot/,
    );
    assert.ok(!(await run('status')).stdout.includes('rejected'));
  });

  it('get -w goes on with every change, and delete says what it did', async () => {
    const watch = start('get vs -w --no-headers');
    await until('the first row', () => watch.text.includes('web') || undefined);
    await run('apply -f -', ROUTE.replace('hosts: [web]', 'hosts: [web, second]'));
    await until('the change', () => watch.text.includes('["web","second"]') || undefined);
    assert.deepEqual(await run('delete vs/web vs/nope'), {
      code: 1,
      stdout: 'virtualservice.networking.istio.io "web" deleted from default namespace\n',
      stderr: 'Error from server (NotFound): virtualservices.networking.istio.io "nope" not found\n',
    });
    await until('the removal', () => watch.text.split('\n').length === 4 || undefined);
    watch.child.kill();
    await watch.ended;
    assert.deepEqual(await run('delete vs web --ignore-not-found'), ok(''));
    assert.deepEqual(await run('delete vs --all'), ok('No resources found\n'));
    assert.match(
      (await run('delete svc istiod -n istio-system')).stderr,
      /^error: .*is the mesh's own and cannot be deleted\n$/,
    );
  });

  it('exec runs in the environment of a pod, with its exit code', async () => {
    const { stdout } = await spawned('exec deploy/sleep -- env');
    assert.match(stdout, /^http_proxy=http:\/\/127\.[\d.]+:15002$/m);
    assert.match(stdout, /^WEB_SERVICE_HOST=127\.[\d.]+$/m);
    const [node] = isthmusProgram();
    assert.deepEqual(await mesh.isthmus(['exec', 'svc/web', '--', node, '-e', 'process.exit(5)']), {
      code: 5,
      stdout: '',
      stderr: 'command terminated with exit code 5\n',
    });
    assert.deepEqual(await spawned('exec -i sleep -- cat', 'hello'), ok('hello'));
    assert.deepEqual(
      await spawned('exec nope -- true'),
      fails('Error from server (NotFound): pods "nope" not found\n'),
    );
  });

  it('run makes a workload of a program: it asks, and is asked', async () => {
    const asked = await spawned('run -- curl -sS http://web/from-run');
    assert.deepEqual(asked, ok(`${await podOf('web')} has /from-run\n`));
    const second = start('run --name second --labels app=web --port 3000 -- node server.mjs');
    await until('the second one answers', async () => {
      const { stdout } = await spawned('exec sleep -- curl -sS http://web/');
      return stdout.startsWith('second has') || undefined;
    });
    assert.match((await run('get pods')).stdout, /\nsecond +2\/2 +Running/);
    second.child.kill('SIGTERM');
    assert.equal(await second.ended, 143);
    await until('it is gone', async () => !(await run('get pods')).stdout.includes('second') || undefined);
  });

  it('a crash is shown by status, restarted, and its log kept; logs print all of it', async () => {
    const pod = await podOf('web');
    await spawned('exec sleep -- curl -sS http://web/crash');
    await until('the crash is seen', async () => (await run('get pods')).stdout.includes(' 1 ') || undefined);
    assert.equal((await run('status --wait')).code, 0);
    assert.match((await run('get pods')).stdout, new RegExp(`\\n${pod} +2/2 +Running +1 `));
    assert.deepEqual((await run('logs web --tail 1 -c main')).stdout.startsWith('listens on 127.'), true);
    const previous = await run('logs deploy/web --previous');
    assert.equal(previous.stderr, 'Defaulted container "main" out of: main, istio-proxy\n');
    assert.match(previous.stdout, /^listens on .*\n(.*\n)*\/crash\n$/);
    assert.match((await run('logs -l app=web')).stdout, new RegExp(`^\\[pod/${pod}/main\\] listens on 127`));

    const follow = start('logs web -c main -f --tail 0');
    await until('a request is followed', async () => {
      await spawned('exec sleep -- curl -sS http://web/followed');
      return follow.text.includes('/followed\n') || undefined;
    });
    follow.child.kill();
    await follow.ended;
  });

  it('a program that crashes again and again makes status fail, with the reason', async () => {
    const broken = WORKLOADS.split('---')[2]!
      .replaceAll('sleep', 'broken')
      .replace('[broken, "1000000"]', '[node, -e, process.exit(3)]');
    assert.equal((await run('apply -f -', broken)).stdout, 'deployment.apps/broken created\n');
    const { stdout } = await until('the crash is seen', async () => {
      const output = await run('status');
      return output.code === 1 && output.stdout.includes('CrashLoopBackOff') ? output : undefined;
    });
    const pod = await podOf('broken');
    assert.match(stdout, /^mesh mesh of \S+ is not ready;/);
    assert.match(stdout, new RegExp(`\\nnot ready: pod default/${pod}: container broken: exit code 3\\n`));
    assert.match((await run('get deploy broken')).stdout, /\nbroken +0\/1 +1 +0 +\d+s\n/);
    assert.equal((await run('status --wait --timeout 0s')).code, 1);
    assert.equal((await run('delete deploy broken')).code, 0);
    assert.equal((await run('status --wait')).code, 0);
  });

  it('restart replaces the pods of a workload', async () => {
    const started = async () =>
      JSON.parse((await run('get pods -l app=sleep -o json')).stdout).items[0]?.metadata.creationTimestamp;
    const before = await started();
    await until('a second is over', () => new Date().toISOString().slice(0, 19) !== before.slice(0, 19) || undefined);
    assert.deepEqual(await run('restart deploy/sleep'), ok('deployment.apps/sleep restarted\n'));
    assert.equal((await run('status --wait')).code, 0);
    assert.notEqual(await started(), before);
  });

  it('a restart whose new pods fail leaves the ones that there were, until they do not', async () => {
    const before = await podOf('web');
    const file = path.join(mesh.dir, 'server.mjs');
    fs.writeFileSync(file, 'process.exit(4);');
    const { code, stderr } = await run('restart deploy/web');
    assert.equal(code, 1);
    assert.match(stderr, /^error: the new pods of default\/web are not ready: container main: exit code 4\n$/);
    assert.equal((await spawned('exec sleep -- curl -sS http://web/')).stdout, `${before} has /\n`);
    fs.writeFileSync(file, SERVER);
    await until('the new one is in its place', async () => {
      const { stdout } = await spawned('exec sleep -- curl -sS http://web/');
      return /^web-\S+ has \/\n$/.test(stdout) && stdout !== `${before} has /\n`;
    });
    assert.equal((await run('status --wait')).code, 0);
    assert.doesNotMatch((await run('get pods')).stdout, new RegExp(before));
  });

  it('down ends it, and then there is none', async () => {
    const watch = start('logs -f');
    await until('the log is followed', () => watch.text.includes('listens on') || undefined);
    assert.deepEqual(await run('down'), ok('mesh mesh stopped\n'));
    assert.equal(await mesh.ended, 0);
    assert.equal(await watch.ended, 0);
    assert.deepEqual(mesh.processes(), []);
    const none = 'no mesh runs on this machine; start one with `isthmus up DIR`\n';
    assert.deepEqual(await run('status'), fails(`Error: ${none}`));
    assert.deepEqual(await run('get vs'), fails(`error: ${none}`));
  });
});
