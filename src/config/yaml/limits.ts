/** What a file of configuration may not exceed; people's files are far below, bombs are above. */
export interface YamlLimits {
  /** Characters of one file. */
  readonly fileSize: number;
  /** Values of one document after its aliases are expanded. */
  readonly values: number;
  /** Depth of nesting. */
  readonly depth: number;
  /** Documents in one file. */
  readonly documents: number;
}

export const DEFAULT_LIMITS: YamlLimits = {
  fileSize: 32 * 1024 * 1024,
  values: 250_000,
  depth: 100,
  documents: 20_000,
};
