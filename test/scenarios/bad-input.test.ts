import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { run as runCommand } from '../../src/cli/program.ts';
import { type BadInput, badInputs, type Certificates, FILTER, ROUTE, secret } from '../support/bad-inputs.ts';
import { Load } from '../support/load.ts';
import { HttpClient } from '../support/load-clients.ts';
import { type Output, ROOT, TestedMesh } from '../support/local-mesh.ts';
import { type PeerFiles, PeerMaker } from '../support/peers.ts';
import { scratch, until } from '../support/reference.ts';

const HOST = 'apiserver.istioinaction.io';
const DAY = 24 * 3_600_000;
const PRODUCTS = 'the products';
/** Requests a second. */
const CUSTOMERS = 200;
/** So many answers come while a case is looked at, at least. */
const SERVED = 20;

/** What stands beside the example: a gateway to serve more hosts, one of them with a certificate, and a route of the mesh. */
const BESIDE = (shop: PeerFiles) => `apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*.example"]
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example]
    tls: {mode: SIMPLE, credentialName: shop}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: shop
spec:
  hosts: [shop.example]
  gateways: [edge]
  http: [{route: [{destination: {host: catalog}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: catalog
spec:
  hosts: [catalog]
  http: [{route: [{destination: {host: catalog}}]}]
---
${secret('shop', shop.cert, shop.key)}`;

/** Status and body of an answer, or why there was none. */
function get(url: string, host: string): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get(url, { headers: { host }, timeout: 10_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve(`${response.statusCode} ${text}`));
      response.on('error', (error) => resolve(error.message));
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', (error) => resolve(error.message));
  });
}

describe('bad input', { timeout: 500_000 }, () => {
  const ends: (() => void | Promise<void>)[] = [];
  let mesh: TestedMesh;
  let customers: Load;
  let outside: string;
  let certificates: Certificates;

  before(async () => {
    const t = { after: (fn: () => void | Promise<void>) => void ends.push(fn) };
    const folder = scratch(t);
    const peers = new PeerMaker(folder);
    const root = await peers.root('root', 10 * DAY, Date.now() - 5 * DAY);
    const names = { dnsNames: ['shop.example', 'more.test'] };
    certificates = {
      good: await peers.leaf(root, names),
      other: await peers.leaf(root, names),
      expired: await peers.leaf(root, names, DAY, Date.now() - 2 * DAY),
    };
    const source = path.join(folder, 'coolstore');
    fs.cpSync(path.join(ROOT, 'examples/coolstore'), source, { recursive: true });
    fs.writeFileSync(path.join(source, 'beside.yaml'), BESIDE(await peers.leaf(root, names)));
    outside = path.join(folder, 'outside');
    fs.mkdirSync(outside);
    mesh = await TestedMesh.start(t, source);
    Object.assign(process.env, mesh.env);
    // They ask for the products all the time, as long as anything is tried.
    customers = new Load(
      new HttpClient({
        url: `http://${mesh.gateway(80)}/api/catalog`,
        host: HOST,
        sort: ({ status, body }) => (status === 200 && body.startsWith('[{"id":1,') ? PRODUCTS : `${status} ${body}`),
      }),
      { restingRate: CUSTOMERS },
    );
    ends.push(() => customers.stop());
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
  });

  /** Runs a command in this process: dozens of them, which need not each load the program anew. */
  const run = async (line: string): Promise<Output> => {
    const written = { stdout: '', stderr: '' };
    const stream = (name: keyof typeof written) => ({ write: (text: string) => (written[name] += text) });
    const streams = { stdin: Readable.from(['']), stdout: stream('stdout'), stderr: stream('stderr') };
    const code = await runCommand(line.split(' '), streams);
    return { code, ...written };
  };
  const askRoute = () => get(`http://${mesh.gateway(80)}/items`, 'bad.example');
  const snapshotOf = async () => /snapshot (\d+)/.exec((await run('status')).stdout)?.[1];
  const linesOf = (text: string, pattern: RegExp) => text.split('\n').filter((line) => pattern.test(line));
  /** What `status` says beside the tables. */
  const told = async () => linesOf((await run('status')).stdout, /^(error|warning): /);

  /** Follows what `up` says from here on. */
  const listen = () => {
    const start = mesh.stderr.length;
    const heard = () => mesh.stderr.slice(start).split('\n').slice(0, -1);
    return {
      /** Waits for as many lines, and compares. */
      hears: async (...wanted: readonly (string | RegExp)[]) => {
        await until('up says it', () => heard().length >= wanted.length || undefined).catch(() => {});
        const lines = heard();
        assert.equal(lines.length, wanted.length, lines.join('\n'));
        for (const [i, line] of wanted.entries()) {
          if (typeof line === 'string') assert.equal(lines[i], line);
          else assert.match(lines[i]!, line);
        }
      },
    };
  };
  /** `get`, `status` and `analyze` show it, and nothing else. */
  const isShown = async ({ kind, namespace, analyzed, outcome }: BadInput, line: string) => {
    assert.deepEqual(linesOf((await run(`get ${kind} -n ${namespace}`)).stderr, /^Warning: /), [`Warning: ${line}`]);
    assert.deepEqual(await told(), [`${outcome === 'warning' ? outcome : 'error'}: ${line}`]);
    const { code, stdout, stderr } = await run('analyze -A');
    assert.match(`${stdout}${stderr}`, analyzed);
    assert.equal(code === 0, outcome === 'warning');
  };
  const isClean = async () => {
    // Proxies wait for a secret a moment longer than it is wanted.
    await until('status is clean', async () => (await told()).length === 0 || undefined).catch(() => {});
    assert.deepEqual(await told(), []);
    const { code, stderr } = await run('analyze -A');
    assert.deepEqual([code, stderr], [0, '\u2714 No validation issues found when analyzing all namespaces.\n']);
  };
  /** Nobody who was there before has noticed: requests go on, none has failed, and all have had what they asked for. */
  const customersAreServed = async () => {
    await customers.more(SERVED);
    assert.deepEqual([...customers.answers.keys()], [PRODUCTS]);
  };

  it('begins well', async () => {
    assert.equal(mesh.stderr, '');
    await isClean();
    await customersAreServed();
  });

  it('in a file: is told by up, get, status and analyze; the last good version stays; it is over when repaired', async (t) => {
    for (const input of badInputs(certificates)) {
      const { bad, good, kind, namespace, outcome, says, advice = '', what } = input;
      await t.test(what, async () => {
        const file = path.join(mesh.dir, 'route.yaml');
        const isThere = async () => (await run(`get ${kind} bad -n ${namespace}`)).code === 0;
        const answers = async () => good !== ROUTE || (await askRoute()).startsWith('200 [{"id":1,');
        const up = listen();
        fs.writeFileSync(file, good);
        await until('it is in force', async () => ((await isThere()) && (await answers())) || undefined);

        fs.writeFileSync(file, bad);
        const line = `${file}:${says}${advice}`;
        if (outcome === 'refused') {
          await up.hears(`problem: ${line} (its last good version stays in force)`);
          await isShown(input, `${line}; its last good version stays in force`);
          assert.ok(await answers());
        } else {
          await up.hears(`${outcome === 'error' ? 'problem' : outcome}: ${line}`);
          await isShown(input, line);
        }
        await customersAreServed();

        fs.writeFileSync(file, good);
        await up.hears(/./, `resolved: ${file}:${says}`);
        await isClean();
        await until('it answers', async () => (await answers()) || undefined);
        fs.rmSync(file);
        await until('it is gone', async () => !(await isThere()) || undefined);
        await up.hears(/./, /./);
      });
    }
  });

  it('applied: what is refused changes nothing; the rest is told of by the file that was applied', async (t) => {
    for (const input of badInputs(certificates)) {
      const { bad, outcome, says, advice = '', what } = input;
      await t.test(what, async (t) => {
        const file = path.join(outside, 'route.yaml');
        // A case that fails leaves nothing to the next.
        t.after(() => run(`delete --ignore-not-found -f ${file}`));
        const line = `${file}:${says}${advice}`;
        fs.writeFileSync(file, bad);
        const up = listen();
        const before = await snapshotOf();
        const { code, stdout, stderr } = await run(`apply -f ${file}`);
        if (outcome === 'refused') {
          assert.deepEqual({ code, stdout, stderr }, { code: 1, stdout: '', stderr: `error: ${line}\n` });
          assert.equal(await snapshotOf(), before);
        } else {
          assert.deepEqual([code, stderr], [0, `Warning: ${line}\n`]);
          await up.hears(`${outcome === 'error' ? 'problem' : outcome}: ${line}`);
          await isShown(input, line);
          await customersAreServed();
          assert.equal((await run(`delete -f ${file}`)).code, 0);
          await up.hears(/./, `resolved: ${file}:${says}`);
        }
        await isClean();
        await customersAreServed();
      });
    }
  });

  it('a configuration that a proxy refuses: apply --wait names it, the reason, and the EnvoyFilter', async () => {
    const file = path.join(outside, 'filter.yaml');
    fs.writeFileSync(file, FILTER);
    const up = listen();
    const { code, stderr } = await run(`apply -f ${file} --wait`);
    assert.equal(code, 1);
    const [, first, refusal, ...more] = stderr.trimEnd().split('\n');
    assert.match(stderr, new RegExp(`^Warning: ${file}:\\d+:\\d+: EnvoyFilter/default/bad: `));
    assert.match(first!, /^error: snapshot \d+ is not in force everywhere; without it: 1 of 1 affected proxy$/);
    assert.match(
      refusal!,
      new RegExp(
        `^  catalog-\\S+\\.default rejected LDS \\S+ \\(from ${file}:8:5, .*AdaptiveConcurrency is not supported$`,
      ),
    );
    assert.deepEqual(more, []);
    await up.hears(new RegExp(`^warning: ${file}`), `problem: ${refusal!.trim()}`);
    assert.ok((await told()).includes(`error: ${refusal!.trim()}`));
    await customersAreServed();
    assert.equal((await run(`delete -f ${file} --wait`)).code, 0);
    await up.hears(/./, /./, /^resolved: /, /^resolved: /);
    await isClean();
  });

  it('a proxy that does not answer: apply --wait names it, and it has all when it is back', async () => {
    const file = path.join(outside, 'route.yaml');
    fs.writeFileSync(file, ROUTE.replace('[bad.example]\n  gateways: [edge]', '[sleep]'));
    const pid = proxyOf('sleep');
    process.kill(pid, 'SIGSTOP');
    try {
      const { code, stdout, stderr } = await run(`apply -f ${file} --wait --timeout 2s`);
      assert.equal(code, 1);
      assert.match(stdout, /^virtualservice\.networking\.istio\.io\/bad created\n$/);
      assert.match(
        stderr,
        /^error: snapshot \d+ is not in force everywhere; without it: 1 of 3 affected proxies\n {2}sleep-\S+\.default: it has not answered RDS of snapshot \d+ for 2\.\d s\n$/,
      );
      assert.match(
        (await told()).join('\n'),
        /^error: sleep-\S+\.default: it has not answered RDS of snapshot \d+ for \d+\.\d s$/,
      );
      await customersAreServed();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await until('it has all', async () => (await told()).length === 0 || undefined);
    const { code, stdout } = await run(`delete -f ${file} --wait`);
    assert.deepEqual([code, /is in force: 3 affected proxies acknowledged it\n$/.test(stdout)], [0, true], stdout);
  });

  /** The process of a pod's agent, which has the proxy in it. */
  function proxyOf(app: string): number {
    const found = mesh.processes().filter((pid) => {
      const args = fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
      return args.includes('agent') && fs.readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`\0POD_NAME=${app}-`);
    });
    assert.equal(found.length, 1);
    return found[0]!;
  }

  it('a certificate that is in use stays when what takes its place is of no use', async () => {
    const serial = async () => {
      const [host, port] = mesh.gateway(443).split(':');
      const { stdout } = await mesh.curl([
        ...['-k', '-w', '%{certs}\n%{http_code}', '-o', '/dev/null', '--resolve', `shop.example:${port}:${host}`],
        `https://shop.example:${port}/items`,
      ]);
      return `${/Serial Number:(\S+)/.exec(stdout)?.[1]} ${stdout.slice(-3)}`;
    };
    const before = await until('it is served', async () => {
      const text = await serial();
      return text.endsWith(' 200') ? text : undefined;
    });
    const file = path.join(outside, 'secret.yaml');
    fs.writeFileSync(file, secret('shop', certificates.good.cert, certificates.other.key));
    const up = listen();
    assert.equal((await run(`apply -f ${file} --wait`)).code, 0);
    await up.hears(/^problem: .*\[ISTH0003\]/);
    assert.equal(await serial(), before);
    fs.writeFileSync(file, secret('shop', certificates.good.cert, certificates.good.key));
    assert.equal((await run(`apply -f ${file} --wait`)).code, 0);
    await up.hears(/./, /^resolved: .*\[ISTH0003\]/);
    await until('the new one is served', async () => {
      const text = await serial();
      return (text.endsWith(' 200') && text !== before) || undefined;
    });
    await customersAreServed();
  });

  it('nobody has noticed', async () => {
    await customers.end();
    assert.deepEqual([...customers.answers], [[PRODUCTS, customers.sent]]);
    assert.ok(customers.sent >= 2000, `${customers.sent} requests`);
    assert.equal(await mesh.stop(), 0);
    assert.deepEqual(mesh.processes(), []);
  });
});
