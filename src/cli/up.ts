import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { type RunningMesh, resolveOptions, startMesh } from '../app/up.ts';
import { UserError } from '../base/errors.ts';
import type { Capture } from '../config/control/mesh-api.ts';
import { captureOption } from './capture-option.ts';

interface Flags {
  readonly name?: string;
  readonly address: string;
  readonly capture: Capture;
}

/** `isthmus up [DIR]`: a folder of YAML made into a running mesh. */
export function define(command: Command): void {
  command
    .argument('[dir]', 'folder of Kubernetes and Istio YAML', '.')
    .option('--name <name>', "name of the mesh (default: the folder's)")
    .option('--address <ip>', 'where gateways are published', '127.0.0.1')
    .addOption(captureOption('explicit'))
    .addHelpText('after', NOTES)
    .action(up);
}

const NOTES = `
Runs the pods of Deployments, StatefulSets, Jobs and Pods as processes with sidecars, and gateways beside
them, until Ctrl-C. Changes of the files take effect while it runs.

A container needs a command that this machine can run; images are not pulled. It must listen on $HOST:$PORT,
and finds its sidecar by http_proxy and by NAME_SERVICE_HOST and NAME_SERVICE_PORT. With --capture netns (Linux,
root) each pod has a network namespace, in which programs that know nothing of proxies are in the mesh; the
annotation sidecar.istio.io/interceptionMode: NONE keeps a pod out of that.

Examples:
  isthmus up examples/coolstore
  isthmus up . --name shop --address 127.0.0.2
  isthmus up . --capture netns
  isthmus status        # in another terminal
`;

async function up(dir: string, { name, address, capture }: Flags): Promise<void> {
  if (!existsSync(dir)) throw new UserError(`there is no folder ${dir}`);
  if (!statSync(dir).isDirectory()) throw new UserError(`${dir} is not a folder`);
  const output = new Output();
  const signals = new Signals();
  const begun = Date.now();
  output.line(`starting the mesh of ${path.relative('', dir) || '.'}`);
  const starting = startMesh({
    directory: dir,
    name,
    address,
    capture,
    env: process.env,
    onEvent: ({ kind, text }) => {
      if (kind === 'step') output.step(begun, text);
      else output.tell(kind, text);
    },
  });
  const mesh = await starting;
  const over = Promise.race([signals.first, mesh.asked.then(() => 'isthmus down')]);
  const ready = await Promise.race([mesh.ready, over]);
  if (typeof ready === 'object') {
    output.readyLine(mesh, ready);
    output.step(begun, `${await over}: stopping`);
  } else output.step(begun, `${ready}: stopping`);
  await mesh.stop();
  output.step(begun, 'stopped');
}

/** SIGINT and SIGTERM, of which the first begins an orderly end; a third of them does not wait for it. */
class Signals {
  readonly first: Promise<string>;

  constructor() {
    let count = 0;
    this.first = new Promise((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        process.on(signal, () => {
          resolve(signal);
          // What guards the processes sees that we are gone, and ends them.
          if (++count >= 3) process.exit(130);
        });
      }
    });
  }
}

const COLOURS = { problem: 31, warning: 33, resolved: 32 };

class Output {
  readonly #colours = process.stdout.isTTY === true && !process.env.NO_COLOR;

  line(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  step(begun: number, text: string): void {
    const seconds = ((Date.now() - begun) / 1000).toFixed(1).padStart(5);
    this.line(`${this.#paint(90, `${seconds} s`)}  ${text}`);
  }

  tell(kind: keyof typeof COLOURS, text: string): void {
    for (const line of text.split('\n')) process.stderr.write(`${this.#paint(COLOURS[kind], `${kind}:`)} ${line}\n`);
  }

  readyLine(mesh: RunningMesh, { ms, urls, dns, notReady }: Awaited<RunningMesh['ready']>): void {
    const low = urls
      .filter(({ port }) => port < 1024)
      .map(({ port, url }) => `${port} is ${url.replace(/^.*\/\//, '')}`);
    if (low.length > 0) this.line(`ports of gateways below 1024 are published 8000 higher: ${low.join(', ')}`);
    this.line(`paths such as /etc/... of a pod are in ${path.join(mesh.folder, 'pods', 'NAMESPACE.POD')}`);
    const resolve = resolveOptions(urls);
    if (dns !== undefined && resolve.length > 0)
      this.line(`hosts of gateways are served by DNS at ${dns}; for curl: ${resolve.join(' ')}`);
    if (notReady.length > 0) this.tell('problem', `not ready: ${notReady.join(', ')}; see "isthmus status"`);
    const served = urls.filter(({ hosts }) => hosts.length > 0);
    const list = served.map(({ url, hosts }) => (hosts.includes('*') ? url : `${url} (${hosts.join(', ')})`));
    const seconds = (ms / 1000).toFixed(1);
    this.line(this.#paint(32, `mesh ready in ${seconds} s`) + (list.length > 0 ? `: ${list.join(' ')}` : ''));
  }

  #paint(colour: number, text: string): string {
    return this.#colours ? `\u001b[${colour}m${text}\u001b[0m` : text;
  }
}
