import type { Command } from 'commander';
import type { Streams } from '../command.ts';
import { defineRun } from './run.ts';

/** `isthmus vm`: a machine as a member of a mesh. */
export function define(command: Command, streams: Streams): void {
  defineRun(command, streams);
}
