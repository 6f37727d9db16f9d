import fs from 'node:fs';
import type { JsonValue } from '@bufbuild/protobuf';
import { type Document, isMap, isNode, isSeq, LineCounter, parseDocument } from 'yaml';
import type { JsonProblem } from '../../api/json.ts';
import { formatLocation, messageOf, UserError } from '../../base/errors.ts';

/** Throws a UserError. */
export function readTextFile(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`cannot read ${path}: ${messageOf(error)}`);
  }
}

/** A document in YAML or JSON, with where everything stands. */
export interface ConfigDocument {
  readonly name: string;
  readonly json: JsonValue;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** Reads YAML, of which JSON is a part; `name` is what the places of errors begin with. Throws a UserError. */
export function parseConfig(text: string, name: string): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true });
  const [problem] = document.errors;
  if (problem) {
    const at = lines.linePos(problem.pos[0]);
    const [sentence] = problem.message.split(' at line');
    throw new UserError(`${formatLocation({ file: name, line: at.line, column: at.col })}: ${sentence}`);
  }
  return { name, json: document.toJS({ maxAliasCount: 1000 }) as JsonValue, document, lines };
}

/** One sentence for each problem: file, line, column, field. */
export function describeProblems(problems: readonly JsonProblem[], source: ConfigDocument): string[] {
  return problems.map(({ path, message }) => {
    const at = locate(source, path);
    const field = formatPath(path);
    return `${formatLocation({ file: source.name, ...at })}: ${field ? `${field}: ` : ''}${message}`;
  });
}

function formatPath(path: readonly (string | number)[]): string {
  return path.map((p, i) => (typeof p === 'number' ? `[${p}]` : i === 0 ? p : `.${p}`)).join('');
}

/** `a.b[0].c` -> its steps. */
export function pathOf(text: string): (string | number)[] {
  return [...text.matchAll(/\["([^"]*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(([, quoted, index, name]) =>
    index === undefined ? (quoted ?? name) : Number(index),
  );
}

/** Where a path, or the nearest thing above it that was written, stands. */
function locate(
  { document, lines }: ConfigDocument,
  path: readonly (string | number)[],
): { line: number; column: number } {
  let node: unknown = document.contents;
  let best = 0;
  for (const step of path) {
    let next: unknown;
    if (isMap(node)) {
      const names = typeof step === 'string' ? [step, camel(step)] : [String(step)];
      const pair = node.items.find((item) => isNode(item.key) && names.includes(String(item.key.toJSON())));
      if (pair && isNode(pair.key) && pair.key.range) [best] = pair.key.range;
      next = pair?.value;
    } else if (isSeq(node)) {
      next = node.items[Number(step)];
      if (isNode(next) && next.range) [best] = next.range;
    }
    if (next === undefined || next === null) break;
    node = next;
  }
  const { line, col } = lines.linePos(best);
  return { line, column: col };
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
