import type { Command } from 'commander';
import { UserError } from '../base/errors.ts';
import type { Streams } from './command.ts';
import { failAsKubectl, speakKubectl } from './kubectl/errors.ts';
import { addMeshFlag, connect, type MeshFlags } from './kubectl/flags.ts';
import { findPods } from './kubectl/pods.ts';
import { singularName } from './kubectl/resource-type.ts';

interface Flags extends MeshFlags {
  readonly namespace?: string;
}

const EXAMPLES = `
Examples:
  isthmus restart deploy/catalog
  isthmus restart istio-ingressgateway -n istio-system
`;

/**
 * `isthmus restart`: `kubectl rollout restart`, each pod with its sidecar. Those of a Deployment serve until the new ones
 * are ready; a pod that is named itself ends first.
 */
export function define(command: Command, streams: Streams): void {
  failAsKubectl(command, streams);
  command
    .argument('<names...>', 'workload, pod or TYPE/NAME')
    .option('-n, --namespace <name>', 'namespace (default: "default")')
    .addHelpText('after', EXAMPLES);
  addMeshFlag(command).action((names: string[], flags: Flags) =>
    speakKubectl(streams, () => restart(names, flags, streams)),
  );
}

async function restart(names: readonly string[], flags: Flags, streams: Streams): Promise<void> {
  const { client } = await connect(flags);
  const namespace = flags.namespace ?? 'default';
  for (const target of names) {
    const { pods, type, name } = await findPods(client, await client.status(), namespace, target);
    if (type.definition.id === 'Service')
      throw new UserError(`services ${JSON.stringify(name)} restarting is not supported`);
    const kind = type.definition.id;
    if (kind === 'Deployment' || kind === 'StatefulSet') await client.rollOut({ namespace, kind, name });
    else for (const pod of pods) await client.restart({ namespace, pod: pod.name });
    streams.stdout.write(`${singularName(type.definition)}/${name} restarted\n`);
  }
}
