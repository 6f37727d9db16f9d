import type { Command } from 'commander';
import { UserError } from '../../base/errors.ts';
import type { KindDefinition } from '../../config/kinds/definition.ts';
import { Exit, GoCommand, pathOf, type Streams } from '../command.ts';
import { pluralName } from './resource-type.ts';

/** What an API server would answer, in the words in which kubectl passes it on. */
export class ServerError extends UserError {
  constructor(reason: 'NotFound' | 'BadRequest' | 'AlreadyExists', message: string) {
    super(`Error from server (${reason}): ${message}`);
  }
}

export function notFound(definition: KindDefinition, name: string, context = ''): ServerError {
  return new ServerError('NotFound', `${context}${pluralName(definition)} ${JSON.stringify(name)} not found`);
}

/** Prints an error as kubectl does: those of a server as they are, others after `error:`. */
export function printError(streams: Streams, error: UserError): void {
  streams.stderr.write(`${error instanceof ServerError ? '' : 'error: '}${error.message}\n`);
}

/** Runs what a verb of kubectl does; whatever it throws for the user is told in kubectl's words, with exit code 1. */
export async function speakKubectl(streams: Streams, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof Exit) throw error;
    printError(streams, error);
    throw new Exit(error.exitCode);
  }
}

/** Has a command tell of flags that it cannot read as kubectl does, with exit code 1. */
export function failAsKubectl(command: Command, streams: Streams): void {
  if (!(command instanceof GoCommand)) return;
  command.onUsageError = (message) => {
    streams.stderr.write(`error: ${message}\nSee '${pathOf(command)} --help' for usage.\n`);
    throw new Exit(1);
  };
}
