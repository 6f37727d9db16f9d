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
  /** The part of `range` that is the document's content, without the marker and the comments around it. */
  readonly content: readonly [start: number, end: number];
  /**
   * Where the field at `path`, or its nearest parent, is written. A path may lead into YAML that is the text of a block,
   * such as `data.mesh` of a ConfigMap.
   */
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
      const contents = document.contents?.range;
      const converted = convert(document, limits);
      if (converted.value === null) continue;
      const positions = new Positions(converted.offsets, converted.sizes);
      documents.push({
        value: converted.value,
        range,
        content: [contents![0] + shift, contents![1] + shift],
        locate: (path) => {
          const { offset, value, rest } = positions.find(converted.value, path);
          return inBlock(source, offset, value, rest, file, limits) ?? locate(offset);
        },
      });
    } catch (error) {
      if (error instanceof ConversionError) {
        problems.push({ message: `the document ${error.message}`, at: locate(error.offset) });
      } else if (error instanceof RangeError) {
        // The parser could still build the tree, but it is too deep for whoever walks it.
        problems.push({ message: 'is nested too deeply', at: locate(document.range?.[0] ?? 0) });
      } else throw error;
    }
  }
  return { documents, problems };
}

/** The place of `rest` inside of a block (`key: |`) whose text is YAML, when `rest` leads into one. */
function inBlock(
  source: string,
  keyOffset: number,
  value: unknown,
  rest: FieldPath,
  file: string,
  limits: YamlLimits,
): SourceLocation | undefined {
  if (rest.length === 0 || typeof value !== 'string') return undefined;
  const keyLineEnd = source.indexOf('\n', keyOffset);
  const header = source.slice(keyOffset, keyLineEnd);
  if (keyLineEnd === -1 || !/:\s+\|[-+\d]*\s*(#.*)?$/.test(header.trimEnd())) return undefined;
  const inner = parseYaml(value, file, limits).documents[0]?.locate(rest);
  if (inner?.line === undefined) return undefined;
  const first = /^( *)\S/m.exec(source.slice(keyLineEnd + 1));
  const keyLine = source.slice(0, keyOffset).split('\n').length;
  return { file, line: keyLine + inner.line, column: (inner.column ?? 1) + (first?.[1]?.length ?? 0) };
}

/** The parser's words for an error, and what usually causes it. */
function explain(error: YAMLError, source: string): string {
  if (error.code === 'RESOURCE_EXHAUSTION') return 'is nested too deeply';
  // Some messages end with the text that they are about, which may be a secret.
  const sentence = error.message
    .split('\n', 1)[0]!
    .replace(/ at line \d+, column \d+:?$/, '')
    .replace(/: ["'].*$/, '');
  const line = source.slice(source.lastIndexOf('\n', error.pos[0] - 1) + 1, error.pos[1]);
  const hint = /^\s*\t/.test(line)
    ? '; indent with spaces, YAML does not allow tabs'
    : line.includes('{{')
      ? '; this looks like a template that was not rendered'
      : '';
  return `is not valid YAML: ${sentence}${hint}`;
}
