import { Composer, Parser, type YAMLError } from 'yaml';
import type { SourceLocation } from '../../base/errors.ts';
import type { FieldPath } from '../object.ts';
import { ConversionError, convert } from './convert.ts';
import { DEFAULT_LIMITS, type YamlLimits } from './limits.ts';
import { Lines, Positions } from './positions.ts';

/** Something wrong with a text itself, before anyone asks what it means. */
export interface SyntaxProblem {
  readonly message: string;
  readonly at: SourceLocation;
}

/** One document of a file, as JSON. */
export interface YamlDocument {
  readonly value: unknown;
  /** Offsets in the file's text between which the document stands, comments before and after it included. */
  readonly range: readonly [start: number, end: number];
  /** Where the field at `path`, or its nearest parent, is written. */
  locate(path: FieldPath): SourceLocation;
}

export interface ParsedFile {
  readonly documents: readonly YamlDocument[];
  /** Not empty when the file cannot be trusted as a whole; `documents` then holds those that could be read. */
  readonly problems: readonly SyntaxProblem[];
}

/**
 * Reads a file of YAML documents, or of JSON, the way Kubernetes does. Documents without content are left out.
 * `file` is the name that locations carry.
 */
export function parseYaml(text: string, file: string, limits: YamlLimits = DEFAULT_LIMITS): ParsedFile {
  if (text.length > limits.fileSize) {
    return { documents: [], problems: [{ message: `is larger than ${limits.fileSize} characters`, at: { file } }] };
  }
  const source = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  const shift = text.length - source.length;
  const lines = new Lines(source);
  const locate = (offset: number): SourceLocation => ({ file, ...lines.at(offset) });
  const documents: YamlDocument[] = [];
  const problems: SyntaxProblem[] = [];

  const composer = new Composer({ schema: 'failsafe', uniqueKeys: false, prettyErrors: false });
  let start = 0;
  for (const document of composer.compose(new Parser().parse(source), true, source.length)) {
    const end = document.range?.[2] ?? source.length;
    const range = [start + shift, end + shift] as const;
    start = end;
    if (documents.length >= limits.documents) {
      problems.push({ message: `has more than ${limits.documents} documents`, at: { file } });
      break;
    }
    if (document.errors.length > 0) {
      problems.push({ message: explain(document.errors[0]!, source), at: locate(document.errors[0]!.pos[0]) });
      continue;
    }
    try {
      const converted = convert(document, limits);
      if (converted.value === null) continue;
      const positions = new Positions(converted.offsets, converted.sizes);
      documents.push({
        value: converted.value,
        range,
        locate: (path) => locate(positions.find(converted.value, path)),
      });
    } catch (error) {
      if (!(error instanceof ConversionError)) throw error;
      problems.push({ message: `the document ${error.message}`, at: locate(error.offset) });
    }
  }
  return { documents, problems };
}

/** The parser's words for an error, and what usually causes it. */
function explain(error: YAMLError, source: string): string {
  if (error.code === 'RESOURCE_EXHAUSTION') return 'is nested too deeply';
  const sentence = error.message.split('\n', 1)[0]!.replace(/ at line \d+, column \d+:?$/, '');
  const line = source.slice(source.lastIndexOf('\n', error.pos[0] - 1) + 1, error.pos[1]);
  const hint = /^\s*\t/.test(line)
    ? '; indent with spaces, YAML does not allow tabs'
    : line.includes('{{')
      ? '; this looks like a template that was not rendered'
      : '';
  return `is not valid YAML: ${sentence}${hint}`;
}
