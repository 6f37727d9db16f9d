/** How a program of ours is started: the runtime and what comes before the command's own arguments. */
export interface OwnProgram {
  readonly command: string;
  readonly args: readonly string[];
}
