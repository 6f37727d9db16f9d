import type { Command } from 'commander';
import type { Streams } from '../command.ts';
import { addMeshFlag, connect, durationOption, type MeshFlags } from '../kubectl/flags.ts';

interface Flags extends MeshFlags {
  readonly namespace: string;
  readonly ttl: number;
  readonly comeBackWithin: number;
  readonly host?: string;
}

const NOTES = `
The code is good for one machine and for a short time. It says where the mesh is and how it proves that it is the mesh;
whoever has it can become a member of the group, so hand it on as you would a password.

Examples:
  isthmus vm invite legacy -n vms
  isthmus vm invite legacy -n vms --ttl 10m --host mesh.example.com
`;

/** `isthmus vm invite`: a code for `isthmus join`. */
export function defineInvite(parent: Command, streams: Streams): void {
  const command = parent
    .command('invite')
    .summary('Print a code with which one machine joins')
    .description('Prints a code with which one machine becomes a member of a WorkloadGroup.')
    .argument('<group>', 'the WorkloadGroup')
    .option('-n, --namespace <name>', 'namespace of the group', 'default')
    .addOption(durationOption('--ttl <duration>', 'how long the code is good', '15m'))
    .addOption(
      durationOption(
        '--come-back-within <duration>',
        'how long the machine can be away and still come back, once its certificate has expired',
        '720h',
      ),
    )
    .option('--host <name>', 'by which the machine finds this one (default: the address of the gateways)');
  addMeshFlag(command).addHelpText('after', NOTES);
  command.action(async (group: string, flags: Flags) => {
    const { client } = await connect(flags);
    const { namespace, ttl, comeBackWithin, host } = flags;
    const invited = await client.invite({ namespace, group, ttlMs: ttl, tokenTtlMs: comeBackWithin, host });
    streams.stderr.write(
      `One machine joins ${namespace}/${group} with it until ${new Date(invited.expiresAt).toISOString()}, by way of ${invited.at}:\n`,
    );
    streams.stdout.write(`isthmus join ${invited.code}\n`);
  });
}
