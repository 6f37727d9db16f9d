import type { Command } from 'commander';
import type { Streams } from '../command.ts';
import { defineConfigure } from './entry-configure.ts';
import { defineCreate } from './group-create.ts';

const EXAMPLES = `
Examples:
  # workload group yaml generation
  isthmus workload group create

  # workload entry configuration generation
  isthmus workload entry configure
`;

/** `isthmus workload`: what istioctl's command of that name does. */
export function define(command: Command, streams: Streams): void {
  command.addHelpText('after', EXAMPLES);
  const group = command
    .command('group')
    .summary('Commands dealing with WorkloadGroup resources')
    .description('Commands dealing with WorkloadGroup resources');
  defineCreate(group, streams);
  const entry = command
    .command('entry')
    .summary('Commands dealing with WorkloadEntry resources')
    .description('Commands dealing with WorkloadEntry resources');
  defineConfigure(entry, streams);
  // A group of commands prints its help, whatever else it was given.
  for (const parent of [command, group, entry])
    parent
      .argument('[command]')
      .allowExcessArguments()
      .action(() => parent.outputHelp());
}
