import type { Command } from 'commander';
import { whenGone } from '../app/meshes.ts';
import { UserError } from '../base/errors.ts';
import type { Streams } from './command.ts';
import { addMeshFlag, connect, type MeshFlags, timeoutOption } from './kubectl/flags.ts';

interface Flags extends MeshFlags {
  readonly timeout: number;
}

const EXAMPLES = `
Examples:
  isthmus down
  isthmus down --mesh coolstore
`;

/** `isthmus down`: stops a local mesh as Ctrl-C at its terminal does, and returns when it has stopped. */
export function define(command: Command, streams: Streams): void {
  command.addOption(timeoutOption('how long it may take', '30s')).addHelpText('after', EXAMPLES);
  addMeshFlag(command).action(async (flags: Flags) => {
    const { mesh, client } = await connect(flags);
    await client.down();
    if (!(await whenGone(mesh, flags.timeout)))
      throw new UserError(`the mesh ${mesh.name} (process ${mesh.pid}) has not stopped in time; it goes on stopping`);
    streams.stdout.write(`mesh ${mesh.name} stopped\n`);
  });
}
