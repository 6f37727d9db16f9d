import assert from 'node:assert/strict';
import { type AnalysisOptions, analyze } from '../../src/analysis/analyze.ts';
import { ANALYZERS } from '../../src/analysis/analyzers/index.ts';
import { originOf } from '../../src/analysis/message.ts';
import { readSources } from '../../src/analysis/source.ts';

/** What one analyzer says of a text, as `CODE LINE ORIGIN: TEXT`, in istioctl's order. */
export function findingsOf(analyzer: string, text: string, options: AnalysisOptions = {}): string[] {
  const analyzers = ANALYZERS.filter(({ name }) => name === analyzer);
  assert.equal(analyzers.length, 1, `there is no analyzer ${analyzer}`);
  const { resources } = readSources([{ name: 'f.yaml', text }], 'default');
  return analyze(resources, { analyzers, ...options }).map(
    (message) => `${message.code} ${message.at?.line ?? '-'} ${originOf(message)}: ${message.text}`,
  );
}

/** Codes and origins alone, for where the text says nothing more. */
export function codesOf(analyzer: string, text: string, options: AnalysisOptions = {}): string[] {
  return findingsOf(analyzer, text, options).map((finding) => finding.replace(/^(\S+) \S+ (.*?): .*$/, '$1 $2'));
}
