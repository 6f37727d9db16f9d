import type { Command } from 'commander';
import { runForeground } from '../app/foreground.ts';
import { UserError } from '../base/errors.ts';
import { Exit, type Streams } from './command.ts';
import { failAsKubectl, speakKubectl } from './kubectl/errors.ts';
import { addMeshFlag, connect, type MeshFlags } from './kubectl/flags.ts';
import { findPods } from './kubectl/pods.ts';

interface Flags extends MeshFlags {
  readonly namespace?: string;
  readonly container?: string;
  readonly stdin?: boolean;
  readonly tty?: boolean;
}

const EXAMPLES = `
The command runs on this machine with the environment and in the folder of the pod's program, so that it finds the
sidecar as that does: by http_proxy, and by NAME_SERVICE_HOST.

Examples:
  isthmus exec deploy/sleep -- curl -s http://apigateway/api/catalog
  isthmus exec -it catalog -- bash
  echo '{}' | isthmus exec -i deploy/sleep -- curl -d @- http://catalog/items
`;

/** `isthmus exec`: `kubectl exec` in a pod of a local mesh. */
export function define(command: Command, streams: Streams): void {
  failAsKubectl(command, streams);
  command
    .usage('(POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]')
    .argument('[pod]', 'pod, workload or TYPE/NAME')
    .argument('[command...]', 'command with its arguments, after --')
    .option('-n, --namespace <name>', 'namespace (default: "default")')
    .option('-c, --container <name>', 'the container whose environment it gets (default: the first one)')
    .option('-i, --stdin', 'pass the standard input to it')
    .option('-t, --tty', 'standard input is a terminal')
    .addHelpText('after', EXAMPLES);
  addMeshFlag(command).action((pod: string | undefined, words: string[], flags: Flags) =>
    speakKubectl(streams, () => exec(pod, words, flags, streams)),
  );
}

async function exec(
  target: string | undefined,
  words: readonly string[],
  flags: Flags,
  streams: Streams,
): Promise<void> {
  const [command, ...args] = words;
  if (target === undefined) throw new UserError('pod or type/name must be specified');
  if (command === undefined) throw new UserError('you must specify at least one command for the container, after --');
  const { client } = await connect(flags);
  const namespace = flags.namespace ?? 'default';
  const { pods } = await findPods(client, await client.status(), namespace, target);
  const pod = pods[0]!;
  if (flags.container !== undefined && !pod.containers.some(({ name }) => name === flags.container))
    throw new UserError(`container ${flags.container} is not valid for pod ${pod.name}`);
  const { env, cwd, enter } = await client.environment(namespace, pod.name, flags.container);
  if (pod.ready < pod.size)
    streams.stderr.write(`Warning: pod ${pod.name} is not ready: ${pod.message ?? pod.status}\n`);
  const { TERM } = process.env;
  const code = await runForeground({
    enter,
    command,
    args,
    env: { ...(TERM === undefined ? {} : { TERM }), ...env },
    cwd,
    stdin: flags.stdin === true || flags.tty === true,
  });
  if (code === 0) return;
  streams.stderr.write(`command terminated with exit code ${code}\n`);
  throw new Exit(code);
}
