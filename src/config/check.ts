import { type ConfigMessage, formatMessage } from './message.ts';
import { type ReadEntry, type ReadFileOptions, readObjects } from './read.ts';
import { duplicate } from './store/batch.ts';

/** One text to be checked, under the name that messages carry. */
export interface CheckedSource {
  readonly name: string;
  readonly text: string;
}

/** What was found in one text. */
export interface CheckedFile {
  readonly name: string;
  readonly errors: readonly ConfigMessage[];
  readonly warnings: readonly ConfigMessage[];
}

/**
 * Checks texts of configuration, each for itself and all together: an object that stands twice in one text is an error,
 * and one that stands in two of them a warning, since they need not be meant to be used together.
 */
export function checkSources(sources: readonly CheckedSource[], options: ReadFileOptions = {}): CheckedFile[] {
  const everywhere = new Map<string, ReadEntry>();
  return sources.map(({ name, text }) => {
    const { entries, problems } = readObjects(text, name, options);
    const here = new Map<string, ReadEntry>();
    const errors = [...problems, ...entries.flatMap((entry) => entry.errors)];
    const warnings = entries.flatMap((entry) => entry.warnings);
    for (const entry of entries) {
      if (entry.key === undefined) continue;
      const inFile = here.get(entry.key);
      const elsewhere = everywhere.get(entry.key);
      if (inFile !== undefined) errors.push(duplicate(entry, inFile));
      else if (elsewhere !== undefined) warnings.push(duplicate(entry, elsewhere));
      here.set(entry.key, entry);
      if (elsewhere === undefined) everywhere.set(entry.key, entry);
    }
    return { name, errors: errors.sort(byPlace), warnings: warnings.sort(byPlace) };
  });
}

function byPlace(a: ConfigMessage, b: ConfigMessage): number {
  return (a.at.line ?? 0) - (b.at.line ?? 0) || (a.at.column ?? 0) - (b.at.column ?? 0);
}

/** The outcome as istioctl prints it, a line or a list for each file that is fine or has warnings, and all errors last. */
export function describeCheck(files: readonly CheckedFile[]): string {
  const parts = files.flatMap(({ name, errors, warnings }) => {
    if (warnings.length > 0) return [`${JSON.stringify(name)} has warnings:\n${bullets(warnings)}\n`];
    return errors.length === 0 ? [`${JSON.stringify(name)} is valid`] : [];
  });
  const errors = files.flatMap((file) => file.errors);
  if (errors.length > 0) {
    parts.push(`Error: ${errors.length} ${errors.length === 1 ? 'error' : 'errors'} occurred:\n${bullets(errors)}`);
  }
  return parts.length === 0 ? '' : `${parts.join('\n')}\n`;
}

function bullets(messages: readonly ConfigMessage[]): string {
  return messages.map((message) => `\t* ${formatMessage(message)}`).join('\n');
}
