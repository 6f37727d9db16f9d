import type { Command } from 'commander';
import { checkWay, openInvitation, redeem } from '../app/join.ts';
import { occupiedPorts } from '../app/machine-ports.ts';
import { runMachine } from '../app/run-machine.ts';
import { UserError } from '../base/errors.ts';
import { Exit, type Streams } from './command.ts';
import { ipFlag } from './vm/run.ts';

interface Flags {
  readonly ip?: string;
  readonly dir: string;
  readonly localAddress: string;
  readonly check?: boolean;
  readonly force?: boolean;
}

const NOTES = `
Before anything is changed it finds out whether this machine reaches the mesh, and the mesh this machine, and names what
is in the way. The files are then in the folder, with which "isthmus vm run FOLDER" comes back later.

Examples:
  isthmus join CODE -- node server.mjs
  isthmus join CODE --ip 10.0.0.5 --check
`;

/** `isthmus join`: the short way into a mesh, with a code of `isthmus vm invite`. */
export function define(command: Command, streams: Streams): void {
  command
    .usage('CODE [flags] [-- COMMAND [args...]]')
    .argument('<code>', 'what "isthmus vm invite" has printed')
    .argument('[command...]', 'program of this machine with its arguments, after --')
    .option('--check', 'only find out what is in the way; the code stays good')
    .option('--dir <folder>', 'folder for the files', 'isthmus-vm')
    .option('--force', 'join although something is in the way')
    .option(
      '--ip <address>',
      'by which the mesh reaches this machine (default: from where it reaches the mesh)',
      ipFlag,
    )
    .option('--local-address <address>', 'where the program listens, and finds its sidecar', ipFlag, '127.0.0.1')
    .addHelpText('after', NOTES)
    .action(async (code: string, program: string[], flags: Flags) => {
      const invitation = await openInvitation(code, flags.ip);
      const { ip, namespace, group } = invitation;
      streams.stdout.write(`invited to ${namespace}/${group}; this machine is ${ip}\n`);
      let blocked = 0;
      const own = await occupiedPorts({ ip, localAddress: flags.localAddress });
      for (const problem of own) {
        blocked++;
        streams.stdout.write(`blocked: the sidecar of this machine: ${problem}\n`);
      }
      if (own.length === 0) streams.stdout.write('ok: the ports of the sidecar are free on this machine\n');
      for (const { way, problem } of await checkWay(invitation)) {
        if (problem !== undefined) blocked++;
        streams.stdout.write(problem === undefined ? `ok: ${way}\n` : `blocked: ${way}: ${problem}\n`);
      }
      if (blocked > 0 && !flags.force)
        throw new UserError(
          `${blocked === 1 ? 'a way is' : `${blocked} ways are`} blocked; the code is still good. Open what is named, or join with --force`,
        );
      if (flags.check) return;
      await redeem(invitation, flags.dir);
      streams.stdout.write(`wrote ${flags.dir}; "isthmus vm run ${flags.dir}" comes back with it\n`);
      const onReady = (address: string) => streams.stdout.write(`this machine is in the mesh as ${address}\n`);
      const options = { folder: flags.dir, ip, localAddress: flags.localAddress };
      const exit = await runMachine(options, { command: program, proxyLogLevel: 'warning,misc:error', onReady });
      if (exit !== 0) throw new Exit(exit);
      // A socket that a peer holds open must not keep an agent that has ended.
      process.exit();
    });
}
