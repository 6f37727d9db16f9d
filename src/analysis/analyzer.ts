import type { AnalysisContext } from './context.ts';

/** Looks for one sort of mistake. It keeps nothing between runs, and reads nothing but its context. */
export interface Analyzer {
  /** By which `--analyzer` selects it: of Istio's analyzers, the name that istioctl lists. */
  readonly name: string;
  readonly description: string;
  analyze(context: AnalysisContext): void;
}
