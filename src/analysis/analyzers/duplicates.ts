import type { Analyzer } from '../analyzer.ts';

/** Resources that are written down twice, of which only the last one counts. */
export const duplicatesAnalyzer: Analyzer = {
  name: 'isthmus.DuplicateAnalyzer',
  description: 'Checks that no resource is defined twice',
  analyze(context) {
    for (const { before, after } of context.replaced) {
      if (after.at === undefined) continue;
      const { file, line } = after.at;
      context.report('ISTH0002', before, [line === undefined ? file : `${file}:${line}`], ['metadata', 'name']);
    }
  },
};
