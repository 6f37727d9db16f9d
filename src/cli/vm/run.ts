import net from 'node:net';
import { type Command, InvalidArgumentError } from 'commander';
import { runMachine } from '../../app/run-machine.ts';
import { Exit, type Streams } from '../command.ts';

interface Flags {
  readonly ip?: string;
  readonly localAddress: string;
  readonly proxyLogLevel: string;
}

const NOTES = `
The folder has the files cluster.env, mesh.yaml, istio-token, root-cert.pem and hosts, which "isthmus workload entry
configure" writes. The command listens on HOST, by which its sidecar reaches it, and asks for services of the mesh by
their names through http_proxy. It starts when the sidecar is ready, and its exit code is that of the command. Without a
command, one that is started otherwise is served.

Examples:
  isthmus vm run ./vm-files -- node server.mjs
  isthmus vm run ./vm-files --ip 10.0.0.5
`;

/** `isthmus vm run`: this machine joins a mesh with the files that were made for it. */
export function defineRun(parent: Command, streams: Streams): void {
  parent
    .command('run')
    .usage('FOLDER [flags] [-- COMMAND [args...]]')
    .summary('Join a mesh with the files that were made for this machine')
    .description('Runs the agent and the proxy of this machine, and a program of it.')
    .argument('<folder>', 'folder with the files')
    .argument('[command...]', 'program with its arguments, after --')
    .option('--ip <address>', 'by which the mesh reaches this machine (default: ISTIO_SVC_IP, or the first)', ipFlag)
    .option('--local-address <address>', 'where the program listens, and finds its sidecar', ipFlag, '127.0.0.1')
    .option('--proxyLogLevel <levels>', 'level of the proxy', 'warning,misc:error')
    .addHelpText('after', NOTES)
    .action(async (folder: string, command: string[], flags: Flags) => {
      const { ip, localAddress, proxyLogLevel } = flags;
      const onReady = (address: string) => streams.stdout.write(`this machine is in the mesh as ${address}\n`);
      const code = await runMachine({ folder, ip, localAddress }, { command, proxyLogLevel, onReady });
      if (code !== 0) throw new Exit(code);
      // A socket that a peer holds open must not keep an agent that has ended.
      process.exit();
    });
}

export function ipFlag(text: string): string {
  if (net.isIP(text) === 0) throw new InvalidArgumentError('it must be an IP address');
  return text;
}
