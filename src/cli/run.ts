import path from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { runForeground } from '../app/foreground.ts';
import { UserError } from '../base/errors.ts';
import type { ControlClient } from '../config/control/client.ts';
import type { Capture, RunEvent, RunRequest } from '../config/control/mesh-api.ts';
import { captureOption } from './capture-option.ts';
import { Exit } from './command.ts';
import { addMeshFlag, connect, type MeshFlags, timeoutOption } from './kubectl/flags.ts';

interface Flags extends MeshFlags {
  readonly namespace: string;
  readonly name?: string;
  readonly serviceAccount: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly port?: readonly number[];
  readonly timeout: number;
  readonly capture?: Capture;
}

const EXAMPLES = `
The program gets HOST and PORT, on which it must listen, and http_proxy for what it asks of others; it starts when its
sidecar is ready. With --capture netns it need not know of any of this. A Service that selects its labels sends
requests to it. Its exit code is that of the command.

Examples:
  isthmus run --name reviews --labels app=reviews,version=v2 --port 9080 -- node reviews.mjs
  isthmus run -- curl -s http://catalog/items
  isthmus run --capture netns -- psql -h db.example.com
`;

/** `isthmus run`: a program at this terminal as a workload of a local mesh, with a sidecar of its own. */
export function define(command: Command): void {
  command
    .usage('[flags] -- COMMAND [args...]')
    .argument('[command...]', 'program with its arguments, after --')
    .option('-n, --namespace <name>', 'namespace', 'default')
    .option('--name <name>', "name of its pod (default: the command's, with random letters)")
    .option('--service-account <name>', 'whose identity it has', 'default')
    .option('-l, --labels <labels>', 'its labels, such as app=web,version=v2 (default: app=NAME)', labelsFlag)
    .option('-p, --port <port>', 'port of its Service that it serves; may be given again', portFlag)
    .addOption(captureOption(undefined))
    .addOption(timeoutOption('how long its sidecar may take to be ready', '60s'))
    .addHelpText('after', EXAMPLES);
  addMeshFlag(command).action((words: string[], flags: Flags) => run(words, flags));
}

function labelsFlag(text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> {
  const pairs = text.split(',').map((pair) => {
    const match = /^([^=\s]+)=([^=\s]*)$/.exec(pair);
    if (match === null) throw new InvalidArgumentError(`${JSON.stringify(pair)} is no label such as app=web`);
    return [match[1]!, match[2]!] as const;
  });
  return { ...earlier, ...Object.fromEntries(pairs) };
}

function portFlag(text: string, earlier: readonly number[] = []): number[] {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw new InvalidArgumentError('it must be a port from 1 to 65535');
  return [...earlier, port];
}

async function run(words: readonly string[], flags: Flags): Promise<void> {
  const [command, ...args] = words;
  if (command === undefined) throw new UserError('say what to run after --, such as "isthmus run -- node server.mjs"');
  const { mesh, client } = await connect(flags);
  const own = nameOf(command);
  const name = flags.name ?? `${own}-${Math.random().toString(36).slice(2, 7)}`;
  const { namespace, serviceAccount, port: ports = [], capture } = flags;
  const labels = flags.labels ?? { app: flags.name ?? own };
  const request: RunRequest = { namespace, name, serviceAccount, labels, ports, capture, command: [...words] };
  const workload = new Workload(client, request);
  try {
    const { env, enter } = await workload.ready(flags.timeout);
    const code = await runForeground({
      enter,
      command,
      args,
      env: withOwn(process.env, env),
      cwd: process.cwd(),
      stdin: true,
      onStart: () => void client.started({ namespace, name }).catch(() => {}),
      abort: workload.lost,
    });
    if (workload.lost.aborted)
      throw new UserError(`the mesh ${mesh.name} ended, and the sidecar of ${name} with it; so ${command} was stopped`);
    if (code !== 0) throw new Exit(code);
  } finally {
    workload.end();
  }
}

/** A letters-and-digits name of a program, for its pod. */
function nameOf(command: string): string {
  const name = path
    .basename(command)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return name.slice(0, 50).replace(/-+$/, '') || 'program';
}

/** What a pod's environment has of the one who started the mesh, and what here is that of who runs the program. */
const PERSONAL = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'NODE_EXTRA_CA_CERTS'];

function withOwn(own: NodeJS.ProcessEnv, pod: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const personal = Object.fromEntries(PERSONAL.flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]])));
  return { ...own, ...pod, ...personal };
}

/** A workload that lasts as long as its connection to the mesh. */
class Workload {
  readonly #client: ControlClient;
  readonly #request: RunRequest;
  readonly #lost = new AbortController();
  #end = () => {};

  constructor(client: ControlClient, request: RunRequest) {
    this.#client = client;
    this.#request = request;
  }

  /** Aborted when the mesh ends it. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Resolves with the environment of its program, and where it runs, when its sidecar is ready. */
  async ready(timeoutMs: number): Promise<Extract<RunEvent, { event: 'ready' }>> {
    const event = await new Promise<RunEvent | Error | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), timeoutMs);
      const settle = (outcome: RunEvent | Error) => {
        clearTimeout(timer);
        resolve(outcome);
      };
      this.#end = this.#client.run(
        this.#request,
        (news) => {
          if (news.event !== 'waiting') settle(news);
        },
        (error) => {
          this.#lost.abort();
          settle(error ?? new UserError('the mesh ends'));
        },
      );
    });
    if (event instanceof Error) throw event;
    if (event?.event === 'ready') return event;
    throw new UserError(event?.event === 'failed' ? event.message : await this.#whyNot(timeoutMs));
  }

  async #whyNot(timeoutMs: number): Promise<string> {
    const { namespace, name } = this.#request;
    const { pods } = await this.#client.status();
    const pod = pods.find((p) => p.namespace === namespace && p.name === name);
    return `the sidecar of ${name} is not ready after ${timeoutMs / 1000} s: ${pod?.message ?? pod?.status ?? 'it is gone'}`;
  }

  end(): void {
    this.#end();
  }
}
