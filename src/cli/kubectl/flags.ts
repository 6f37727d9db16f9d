import { type Command, InvalidArgumentError, Option } from 'commander';
import { findMesh, type RunningMesh } from '../../app/meshes.ts';
import { UserError } from '../../base/errors.ts';
import { ControlClient } from '../../config/control/client.ts';
import { parseDuration } from '../../config/schema/duration.ts';

/** Flags of every command that speaks to a local mesh. */
export interface MeshFlags {
  readonly mesh?: string;
}

export function addMeshFlag(command: Command): Command {
  return command.option('--mesh <name>', 'the mesh, where several run on this machine');
}

/** The mesh that is meant, and its control interface. */
export async function connect({
  mesh,
}: MeshFlags): Promise<{ readonly mesh: RunningMesh; readonly client: ControlClient }> {
  const found = await findMesh(process.env, mesh);
  return { mesh: found, client: new ControlClient(found.controlSocket) };
}

/** A duration such as `30s` as milliseconds, for an option. */
export function durationFlag(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 0) throw new InvalidArgumentError('it must be a duration such as 30s or 1m30s');
  return ms;
}

/** An option with a duration, in milliseconds, whose default is shown as it is written here. */
export function durationOption(flags: string, description: string, standard: string): Option {
  return new Option(flags, description).argParser(durationFlag).default(durationFlag(standard), standard);
}

/** `--timeout`, in milliseconds. */
export function timeoutOption(description: string, standard: string): Option {
  return durationOption('--timeout <duration>', description, standard);
}

/** A whole number from 0 on, for an option. */
export function countFlag(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('it must be a whole number');
  return Number(text);
}

export const DRY_RUN = ['none', 'client', 'server'] as const;
export type DryRun = (typeof DRY_RUN)[number];

/** `--dry-run` alone means `client`, as it did in kubectl. */
export function dryRunFlag(value: string | boolean | undefined): DryRun {
  if (value === undefined || value === false) return 'none';
  if (value === true || value === 'unchanged') return 'client';
  const known = DRY_RUN.find((strategy) => strategy === value);
  if (known === undefined)
    throw new UserError(`Invalid dry-run value (${value}). Must be "none", "server", or "client".`);
  return known;
}

/** What kubectl puts behind a line about something that was not done. */
export function dryRunNote(dryRun: DryRun): string {
  return dryRun === 'client' ? ' (dry run)' : dryRun === 'server' ? ' (server dry run)' : '';
}
