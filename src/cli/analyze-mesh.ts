import type { Analyzer } from '../analysis/analyzer.ts';
import { textOfFile } from '../analysis/places.ts';
import { type RunningState, readRunningState } from '../analysis/running.ts';
import { connect, type MeshFlags } from './kubectl/flags.ts';

/** What the mesh that runs on this machine has, as the ground on which files are analyzed. Throws a UserError if none runs. */
export async function readRunningMesh(flags: MeshFlags, analyzers: readonly Analyzer[]): Promise<RunningState> {
  const { client } = await connect(flags);
  const [{ objects }, { rejected }] = await Promise.all([client.objects({}), client.state()]);
  return readRunningState(objects, rejected, analyzers, textOfFile);
}
