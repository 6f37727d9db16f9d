import path from 'node:path';

/**
 * Where the programs of an object start: where its file lies. What was applied lies in the mesh's state, which nobody
 * means: its programs start in the mesh's folder of YAML.
 */
export function programHome(file: string, directory: string, state: string): string {
  const folder = path.dirname(path.resolve(file));
  const isApplied = folder === state || folder.startsWith(`${state}${path.sep}`);
  return isApplied ? path.resolve(directory) : folder;
}
