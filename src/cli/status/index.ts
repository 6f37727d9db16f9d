import { type Command, Option } from 'commander';
import { originOf, referenceOf } from '../../analysis/message.ts';
import { UserError } from '../../base/errors.ts';
import type { ControlClient } from '../../config/control/client.ts';
import { Exit, type Streams } from '../command.ts';
import { findingsAbout } from '../kubectl/findings.ts';
import { addMeshFlag, connect, durationFlag, type MeshFlags, timeoutOption } from '../kubectl/flags.ts';
import { printable } from '../kubectl/object-output.ts';
import { MeshClient } from '../mesh-client.ts';
import { formatJson } from '../output/json.ts';
import { formatStatus } from './format.ts';
import { type MeshState, shortcomings, withoutExplainedWaits } from './report.ts';

interface Flags extends MeshFlags {
  readonly namespace?: string;
  readonly output?: 'json';
  readonly wait?: boolean;
  readonly timeout: number;
  readonly mtls?: boolean;
  readonly during?: number;
}

const LOOK_MS = 100;

const EXAMPLES = `
The exit code is 1 when a pod or the control plane is not ready. Objects that were refused and proxies that have not
got the newest configuration are told, and leave the exit code alone.

With --mtls it tells instead which workloads have spoken with each other, and whether by mutual TLS: by the metrics
istio_requests_total and istio_tcp_connections_opened_total, as the destination's proxy has counted them since it
started. The exit code is 1 when a pair has spoken in plaintext, with how that came, or a proxy cannot be asked. What
only the source could count, as its destination has no proxy, is unknown unless it has shown an identity of the mesh;
that leaves the exit code alone, and so does a mesh in which nobody has spoken. Proxies on other machines are not asked.

Examples:
  isthmus status
  isthmus up shop & isthmus status --wait && curl http://127.0.0.1:8080/
  isthmus status -o json | jq -r '.notReady[].object'
  isthmus status --mtls
  isthmus status --mtls --during 30s -n bookinfo
  isthmus status --mtls -o json | jq -r '.pairs[] | select(.security != "mutual_tls") | .cause'
`;

/** `isthmus status`: how a local mesh is, and what is wrong with it; with `--mtls`, who speaks encrypted in it. */
export function define(command: Command, streams: Streams): void {
  command
    .option('-n, --namespace <name>', 'only pods of this namespace; with --mtls, only pairs with an end in it')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['json']))
    .option('--wait', 'until a mesh runs and everything is ready')
    .addOption(timeoutOption('how long --wait waits', '60s'))
    .option('--mtls', 'which workloads have spoken encrypted')
    .addOption(
      new Option('--during <duration>', 'with --mtls, count only what happens from now on').argParser(durationFlag),
    )
    .addHelpText('after', EXAMPLES);
  addMeshFlag(command).action((flags: Flags) => status(flags, streams));
}

async function status(flags: Flags, streams: Streams): Promise<void> {
  if (flags.during !== undefined && !flags.mtls) throw new UserError('--during is for --mtls: add that');
  const deadline = Date.now() + flags.timeout;
  const client = await connectInTime(flags, flags.wait ? deadline : 0);
  let state = await fetchState(client);
  let missing = shortcomings(state);
  while (flags.wait && missing.length > 0 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    state = await fetchState(client);
    missing = shortcomings(state);
  }
  if (flags.mtls) {
    const { mutualTls } = await import('./mtls.ts');
    return mutualTls(client, await MeshClient.connect(process.env, flags.mesh), flags, streams);
  }
  const findings = await findingsAbout(state.objects);
  if (flags.output === 'json') {
    const { mesh, configuration, certificates } = state;
    const analysis = findings.map(({ message }) => ({
      code: message.code,
      level: message.level,
      origin: originOf(message),
      reference: referenceOf(message) ?? '',
      message: message.text,
    }));
    const more = {
      ready: missing.length === 0,
      notReady: missing,
      configuration: configuration ?? null,
      certificates,
      analysis,
    };
    const whole = { ...mesh, ...more };
    streams.stdout.write(`${formatJson(printable(JSON.parse(JSON.stringify(whole))), '  ')}\n`);
  } else {
    const colours = streams.stdout.isTTY === true && !process.env.NO_COLOR;
    const messages = findings.map(({ message }) => message);
    const told = findings.map(({ message, line }) => ({ line, isError: message.level === 'Error' }));
    streams.stdout.write(
      formatStatus(withoutExplainedWaits(state, messages), missing, told, {
        now: Date.now(),
        colours,
        namespace: flags.namespace,
      }),
    );
  }
  if (missing.length > 0) throw new Exit(1);
}

/** The control interface of a mesh that may still be on its way. */
async function connectInTime(flags: MeshFlags, deadline: number): Promise<ControlClient> {
  for (;;) {
    try {
      return (await connect(flags)).client;
    } catch (error) {
      if (!(error instanceof UserError) || Date.now() >= deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

/** A control plane that is away leaves only what the mesh itself knows. */
async function fetchState(client: ControlClient): Promise<MeshState> {
  const mesh = await client.status();
  const orNothing = <T>(asked: Promise<T>): Promise<T | undefined> => asked.catch(() => undefined);
  // The proxies know of certificates whether or not the control plane answers.
  const [configuration, certificates] = await Promise.all([
    orNothing(Promise.all([client.state(), client.objects({})])),
    orNothing(client.certificates()),
  ]);
  const [state, { objects } = { objects: [] }] = configuration ?? [];
  return { mesh, configuration: state, objects, certificates };
}
