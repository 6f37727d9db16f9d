import type { Command } from 'commander';
import type { Streams } from '../command.ts';
import { defineInvite } from './invite.ts';
import { defineRun } from './run.ts';

/** `isthmus vm`: machines as members of a mesh. */
export function define(command: Command, streams: Streams): void {
  defineInvite(command, streams);
  defineRun(command, streams);
}
