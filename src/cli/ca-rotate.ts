import path from 'node:path';
import { type Command, Option } from 'commander';
import { KEY_TYPES } from '../app/ca.ts';
import type { ControlClient } from '../config/control/client.ts';
import type { RotationResponse } from '../config/control/mesh-api.ts';
import { Exit, type Streams } from './command.ts';
import { addMeshFlag, connect, type MeshFlags, timeoutOption } from './kubectl/flags.ts';
import { formatAge } from './output/age.ts';

const OVERVIEW = `
A rotation has three phases, and every workload can verify every other at all times:

  trust   the old authority signs, the roots of both are trusted
  issue   the new authority signs, the roots of both are trusted
  drop    the new authority signs, only its root is trusted

"next" goes on only when every workload of the mesh has come along, as its proxy shows; otherwise it changes nothing,
names those it waits for, and ends with exit code 1. "abort" goes back: at once in the phase "trust", and from "issue"
over the phase "withdraw", in which all get certificates of the old authority again. An authority under the same root,
another intermediate, needs the phase "issue" alone.

Examples:
  isthmus ca rotate start                       # to a new self-signed root
  isthmus ca rotate next --wait && isthmus ca rotate next --wait && isthmus ca rotate next --wait
  isthmus ca rotate start --ca certs/istio2     # to an authority made with "isthmus ca intermediate"
  isthmus ca rotate status -o json | jq -r '.rotation.waiting[]'
`;

interface StepFlags extends MeshFlags {
  readonly wait?: boolean;
  readonly timeout: number;
}

/** `isthmus ca rotate`: changes the authority of a running mesh without an outage. */
export function defineRotate(parent: Command, streams: Streams): void {
  const command = parent
    .command('rotate')
    .summary('change the authority of a running mesh')
    .description('Changes the authority of a running mesh, root or intermediate, step by step.')
    .addHelpText('after', OVERVIEW);
  command.action(() => command.help({ error: true }));

  addMeshFlag(
    command
      .command('status')
      .summary('show how far it has got')
      .addOption(new Option('-o, --output <format>', 'output format').choices(['json'])),
  ).action(async (flags: MeshFlags & { output?: 'json' }) => {
    const { client } = await connect(flags);
    const state = await client.rotation();
    streams.stdout.write(flags.output === 'json' ? `${JSON.stringify(state, null, 2)}\n` : describe(state, Date.now()));
  });

  addMeshFlag(
    command
      .command('start')
      .summary('begin to trust the new authority')
      .option('--ca <folder>', 'files of the new authority, as in "cacerts" (default: a new self-signed root)')
      .addOption(new Option('--key <type>', 'type of the key of a new root (default: as now)').choices(KEY_TYPES)),
  ).action(async (flags: MeshFlags & { ca?: string; key?: string }) => {
    const { client } = await connect(flags);
    const from = flags.ca === undefined ? undefined : path.resolve(flags.ca);
    report(await client.rotate({ action: 'start', from, keyType: flags.key }), streams);
  });

  addMeshFlag(
    command
      .command('next')
      .summary('go on to the next phase, if every workload has come along')
      .option('--wait', 'until every workload has')
      .addOption(timeoutOption('how long --wait waits', '5m')),
  ).action(async (flags: StepFlags) => {
    const { client } = await connect(flags);
    const state = await next(client, flags.wait ? Date.now() + flags.timeout : 0);
    report(state, streams);
    if (state.refused) throw new Exit(1);
  });

  addMeshFlag(command.command('abort').summary('go back to the old authority')).action(async (flags: MeshFlags) => {
    const { client } = await connect(flags);
    report(await client.rotate({ action: 'abort' }), streams);
  });
}

const LOOK_MS = 250;

async function next(client: ControlClient, deadline: number): Promise<RotationResponse> {
  for (;;) {
    const state = await client.rotate({ action: 'next' });
    if (!state.refused || Date.now() >= deadline) return state;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function report(state: RotationResponse, streams: Streams): void {
  if (state.refused) streams.stderr.write('error: it is too early for the next phase\n');
  streams.stdout.write(describe(state, Date.now()));
}

const MEANING = {
  trust: 'both roots are trusted, the old authority signs',
  issue: 'both roots are trusted, the new authority signs',
  drop: 'the new authority signs, only its root is trusted',
  withdraw: 'both roots are trusted, the old authority signs again',
};

/** How a rotation stands, for people. */
export function describe({ rotation, plugged }: RotationResponse, now: number): string {
  if (rotation === undefined) {
    const reminder = plugged
      ? 'The Secret "cacerts" says which authority the mesh has when it starts anew: see that it is the right one.\n'
      : '';
    return `No rotation is under way.\n${reminder}`;
  }
  const { phase, phaseSince, startedAt, old, next, waiting } = rotation;
  const lines = [
    `phase: ${phase}, since ${formatAge(now - phaseSince)}: ${MEANING[phase]}`,
    `begun: ${formatAge(now - startedAt)} ago`,
    `old:   ${old}`,
    `new:   ${next}`,
  ];
  if (waiting.length === 0) lines.push('Every workload has come along; "isthmus ca rotate next" goes on.');
  else lines.push('waiting:', ...waiting.map((reason) => `  ${reason}`));
  return `${lines.join('\n')}\n`;
}
