/** What Node is told when it runs a proxy: a small space for new objects (see `cli/main.ts`). */
export const DATA_PLANE_FLAGS: readonly string[] = ['--max-semi-space-size=4'];

/** How a program of ours is started: the runtime and what comes before the command's own arguments. */
export interface OwnProgram {
  readonly command: string;
  readonly args: readonly string[];
}
