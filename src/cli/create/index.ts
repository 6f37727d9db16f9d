import type { Command } from 'commander';
import { UserError } from '../../base/errors.ts';
import { formatMessage } from '../../config/message.ts';
import { readObject } from '../../config/read.ts';
import { Exit, type Streams } from '../command.ts';
import { describeConvergence } from '../kubectl/convergence.ts';
import { failAsKubectl, printError, ServerError, speakKubectl } from '../kubectl/errors.ts';
import { addMeshFlag, connect, dryRunFlag, dryRunNote, type MeshFlags, timeoutOption } from '../kubectl/flags.ts';
import { formatObjects, parseOutputFormat } from '../kubectl/object-output.ts';
import { resourceOf } from '../kubectl/objects.ts';
import { objectName, pluralName } from '../kubectl/resource-type.ts';
import { readKeyPair, readValues, type Values } from './values.ts';

type Json = Readonly<Record<string, unknown>>;

interface Flags extends MeshFlags {
  readonly namespace?: string;
  readonly dryRun?: string | boolean;
  readonly output?: string;
  readonly wait?: boolean;
  readonly timeout: number;
}

interface ValueFlags extends Flags {
  readonly fromFile?: readonly string[];
  readonly fromLiteral?: readonly string[];
  readonly type?: string;
}

const EXAMPLES = `
Examples:
  isthmus create secret generic cacerts -n istio-system --from-file=certs/istio
  isthmus create secret generic shop-certs -n istio-system --from-file=key=shop.key --from-file=cert=shop.crt
  isthmus create secret tls shop-certs -n istio-system --key shop.key --cert shop.crt
  isthmus create configmap nginx --from-file=nginx.conf
  isthmus create namespace shop --dry-run=client -o yaml
`;

/** `isthmus create`: `kubectl create` of what is made of files and names rather than written as YAML. */
export function define(command: Command, streams: Streams): void {
  command.addHelpText('after', EXAMPLES);
  const secret = command.command('secret').summary('create a secret').description('Creates a secret.');
  valueCommand(
    secret,
    'generic',
    'create a secret out of files and values',
    streams,
    async (name, flags: ValueFlags) => ({
      kind: 'Secret',
      metadata: { name },
      ...(flags.type === undefined ? {} : { type: flags.type }),
      data: base64(await readValues(flags.fromFile ?? [], flags.fromLiteral ?? [])),
    }),
  ).option('--type <type>', 'type of the secret');
  leaf(
    secret,
    'tls',
    'create a secret of a certificate and its key',
    streams,
    async (name, flags: Flags & KeyPairFlags) => {
      if (flags.cert === undefined || flags.key === undefined) throw new UserError('--cert and --key are required');
      return {
        kind: 'Secret',
        metadata: { name },
        type: 'kubernetes.io/tls',
        data: base64(await readKeyPair(flags.cert, flags.key)),
      };
    },
  )
    .option('--cert <file>', 'certificate with its chain, PEM')
    .option('--key <file>', 'private key, PEM');
  valueCommand(command, 'configmap', 'create a config map out of files and values', streams, async (name, flags) => ({
    kind: 'ConfigMap',
    metadata: { name },
    ...configMapData(await readValues(flags.fromFile ?? [], flags.fromLiteral ?? [])),
  })).alias('cm');
  leaf(command, 'namespace', 'create a namespace', streams, async (name) => ({
    kind: 'Namespace',
    metadata: { name },
  })).alias('ns');
  leaf(command, 'serviceaccount', 'create a service account', streams, async (name) => ({
    kind: 'ServiceAccount',
    metadata: { name },
  })).alias('sa');
}

interface KeyPairFlags {
  readonly cert?: string;
  readonly key?: string;
}

function valueCommand(
  parent: Command,
  word: string,
  summary: string,
  streams: Streams,
  make: (name: string, flags: ValueFlags) => Promise<Json>,
): Command {
  const add = (value: string, earlier: readonly string[] = []) => [...earlier, value];
  return leaf(parent, word, summary, streams, make)
    .option('--from-file <source>', 'a file, KEY=FILE, or a directory of files; may be repeated', add)
    .option('--from-literal <pair>', 'KEY=VALUE; may be repeated', add);
}

function leaf<F extends Flags>(
  parent: Command,
  word: string,
  summary: string,
  streams: Streams,
  make: (name: string, flags: F) => Promise<Json>,
): Command {
  const command = parent.command(word).summary(summary).description(summary).argument('<name>', 'its name');
  failAsKubectl(command, streams);
  command
    .option('-n, --namespace <name>', 'namespace (default: "default")')
    .option('--dry-run [strategy]', 'none, client or server: check, and create nothing')
    .option('-o, --output <format>', 'json, yaml, name or jsonpath=TEMPLATE')
    .option('--wait', 'until every proxy that it concerns has it')
    .addOption(timeoutOption('how long --wait waits', '30s'));
  addMeshFlag(command).action((name: string, flags: F) =>
    speakKubectl(streams, async () => create(await make(name, flags), flags, streams)),
  );
  return command;
}

function base64(values: Values): Json {
  return Object.fromEntries([...values].map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
}

/** What is UTF-8 is text, and anything else binary. */
function configMapData(values: Values): Json {
  const data: Record<string, string> = {};
  const binaryData: Record<string, string> = {};
  for (const [key, value] of values) {
    const buffer = Buffer.from(value);
    const text = buffer.toString('utf8');
    if (Buffer.from(text).equals(buffer)) data[key] = text;
    else binaryData[key] = buffer.toString('base64');
  }
  return { data, ...(Object.keys(binaryData).length === 0 ? {} : { binaryData }) };
}

async function create(body: Json, flags: Flags, streams: Streams): Promise<void> {
  const format = parseOutputFormat(flags.output, ['json', 'jsonpath', 'name', 'yaml']);
  const dryRun = dryRunFlag(flags.dryRun);
  const object = withNamespace({ apiVersion: 'v1', ...body }, flags.namespace);
  const { key, definition, object: read, errors } = readObject(object, () => ({ file: 'isthmus create' }));
  if (key === undefined || read === undefined || definition === undefined) {
    throw new UserError(
      errors.map(({ field, message }) => `${field === undefined ? '' : `${field} `}${message}`).join('\n'),
    );
  }
  let convergence: Parameters<typeof describeConvergence>[0] | undefined;
  if (dryRun !== 'client') {
    const { client } = await connect(flags);
    const { namespace, name } = read.metadata;
    const existing = await client.objects({ kinds: [definition.id], ...(namespace === '' ? {} : { namespace }), name });
    if (existing.objects.length > 0) {
      throw new ServerError('AlreadyExists', `${pluralName(definition)} ${JSON.stringify(name)} already exists`);
    }
    const response = await client.apply({
      sources: [{ name: 'isthmus create', text: JSON.stringify(object) }],
      dryRun: dryRun !== 'none',
      ...(flags.wait && dryRun === 'none' ? { waitMs: flags.timeout } : {}),
    });
    const problems = [...response.problems, ...response.results.flatMap((result) => result.errors)];
    for (const problem of problems) printError(streams, new UserError(formatMessage(problem)));
    if (problems.length > 0) throw new Exit(1);
    convergence = response.convergence;
  }
  if (format.type === 'table') streams.stdout.write(`${objectName(key)} created${dryRunNote(dryRun)}\n`);
  else {
    const state = {
      key,
      kind: definition.id,
      raw: object,
      creationTimestamp: Date.now(),
      generation: 1,
      at: read.locate([]),
    };
    const resource = resourceOf(state, 'v1', undefined);
    streams.stdout.write(formatObjects(resource === undefined ? [] : [resource], format, { single: true }));
  }
  tellConvergence(convergence, streams);
}

function tellConvergence(convergence: Parameters<typeof describeConvergence>[0] | undefined, streams: Streams): void {
  if (convergence === undefined) return;
  const [first = '', ...rest] = describeConvergence(convergence);
  const { converged } = convergence;
  const lines = [converged ? first : `error: ${first}`, ...rest.map((line) => `  ${line}`)];
  (converged ? streams.stdout : streams.stderr).write(`${lines.join('\n')}\n`);
  if (!converged) throw new Exit(1);
}

function withNamespace(object: Json, namespace: string | undefined): Json {
  if (namespace === undefined || object.kind === 'Namespace') return object;
  return { ...object, metadata: { ...(object.metadata as Json), namespace } };
}
