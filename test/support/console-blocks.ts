import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { execute, isthmusProgram, meshRecord, type TestedMesh } from './local-mesh.ts';
import { scratch } from './reference.ts';

/** One command of a console that a page shows, with what it printed. */
export interface ConsoleStep {
  readonly command: string;
  readonly expected: string;
  /** Line of the page, from 1, of the command, and of the end of its output. */
  readonly line: number;
  readonly endLine: number;
}

/** The end of a here-document that a command begins, if it does. */
const heredocEnd = (command: string): string | undefined => /<<-?\s*(['"]?)(\w+)\1/.exec(command)?.[2];

/**
 * The commands of all blocks of a page that are marked as `console`: lines that begin with `$ `, with the lines that
 * they go on in (after a backslash, or of a here-document), and what follows them.
 */
export function consoleSteps(page: string): ConsoleStep[] {
  const steps: ConsoleStep[] = [];
  let open: { command: string; line: number; output: string[]; heredoc: string | undefined } | undefined;
  let inBlock = false;
  const close = (endLine: number) => {
    if (open) steps.push({ command: open.command, line: open.line, expected: open.output.join('\n'), endLine });
    open = undefined;
  };
  page.split('\n').forEach((text, index) => {
    const line = index + 1;
    if (open?.heredoc !== undefined) {
      open.command += `\n${text}`;
      if (text === open.heredoc) open.heredoc = undefined;
    } else if (!inBlock) inBlock = /^```console\s*$/.test(text);
    else if (text.startsWith('```')) {
      close(line);
      inBlock = false;
    } else if (text.startsWith('$ ')) {
      close(line);
      open = { command: text.slice(2), line, output: [], heredoc: heredocEnd(text) };
    } else if (open && open.output.length === 0 && open.command.endsWith('\\')) {
      open.command += `\n${text}`;
    } else if (open) open.output.push(text);
  });
  return steps;
}

/** A step may be a whole check of an example. */
const STEP_MS = 240_000;

/** What differs from one run to the next, made equal. */
const VARIABLE: readonly (readonly [RegExp, string])[] = [
  [/\b\d+(\.\d+)? s\b/g, 'N s'],
  [/\b\d{4}-\d\d-\d\dT[\d:.]+Z\b/g, 'TIME'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, 'UUID'],
  [/\b[0-9a-f]{64}\b/g, 'HASH'],
  [/\b[0-9a-f]{30,40}\b/g, 'SERIAL'],
  [/\b(snapshot) \d+\b/g, '$1 N'],
  [/\b(\d+d)?\d+h(\d+m)?\b(?!\d)/g, 'AGE'],
  [/\b(\d+d)?(\d+h)?(\d+m)?\d+s\b/g, 'AGE'],
  [/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b/g, 'TIME'],
  [/^date: .*$/gim, 'date: DATE'],
  [/^(x-envoy-upstream-service-time): \d+$/gim, '$1: N'],
  [/\b(process|pid) \d+\b/g, '$1 PID'],
];

export function normalized(text: string, more: readonly (readonly [RegExp, string])[] = []): string {
  const plain = [...VARIABLE, ...more].reduce((rest, [pattern, name]) => rest.replace(pattern, name), text);
  // Columns are as wide as what stands in them, which may differ.
  const lines = plain.split('\n').map((line) => line.trim().replace(/ {2,}/g, '  '));
  // Pods become ready in any order.
  const isReady = (line: string) => line.endsWith(' is ready');
  const first = lines.findIndex(isReady);
  const ready = lines.filter(isReady).sort();
  return lines
    .flatMap((line, i) => (i === first ? ready : isReady(line) ? [] : [line]))
    .join('\n')
    .trim();
}

export interface Replay {
  /** A page of the repository, in Markdown. */
  readonly page: string;
  /** Commands that are not run, because the test has done what they do. */
  readonly skip: (command: string) => boolean;
  /** What was printed by a skipped command, to be compared all the same; undefined for whatever. */
  readonly printed?: (command: string) => string | undefined;
  readonly mesh: TestedMesh;
  readonly cwd: string;
  /** The folder that the mesh is a copy of, as the page calls it. */
  readonly folder: string;
  readonly more?: readonly (readonly [RegExp, string])[];
  /** What a command has to be where the test cannot have the usual ports, and what its output would be with these. */
  readonly adapt?: { readonly command: (text: string) => string; readonly output: (text: string) => string };
}

/**
 * Runs the commands of a page against a mesh and compares what they print with what the page says. With UPDATE_DOCS=1
 * it writes what they print into the page instead. Returns how many commands were run.
 */
export async function replay(
  t: { after(fn: () => void): void },
  { page, skip, printed, mesh, cwd, folder, more, adapt }: Replay,
): Promise<number> {
  const text = fs.readFileSync(page, 'utf8');
  const lines = text.split('\n');
  const tools = scratch(t, 'isthmus-tools-');
  const [node, main] = isthmusProgram();
  const shim = (name: string, body: string) =>
    fs.writeFileSync(path.join(tools, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  shim('isthmus', `exec '${node}' '${main}' "$@"`);
  shim('npx', 'exec "$@"');
  const env = { ...mesh.env, PATH: `${tools}:${process.env.PATH}` };
  /** The page speaks of the usual addresses; the mesh of the test has others, so that tests do not meet. */
  const [, block = ''] = meshRecord(mesh).discovery.secureGrpc.split('.');
  const blocks = [64, 128, 192].map((first) => [`127.${first}.`, `127.${Number(block) - 64 + first}.`] as const);
  const own = (command: string) =>
    blocks
      .reduce((text, [usual, actual]) => text.replaceAll(usual, actual), command)
      .replace(/\b127\.0\.0\.1(?=:(8\d{3}|3\d{4})\b)|(?<=:(8\d{3}|3\d{4}):)127\.0\.0\.1\b/g, mesh.address);
  const usual = (output: string) =>
    blocks
      .reduce((text, [expected, actual]) => text.replaceAll(actual, expected), output)
      .replaceAll(mesh.address, '127.0.0.1')
      // First the relative one: from a checkout deep enough, `../../../tmp/mesh` ends in the absolute one.
      .replaceAll(path.relative('', mesh.dir), folder)
      .replaceAll(mesh.dir, `~/isthmus/${folder}`)
      .replaceAll(mesh.home, '~/.isthmus');
  const isUpdate = process.env.UPDATE_DOCS === '1';
  const updates: { readonly step: ConsoleStep; readonly plain: string }[] = [];
  let ran = 0;
  for (const step of consoleSteps(text)) {
    const at = `${path.basename(page)}:${step.line}`;
    let output: string | undefined;
    if (skip(step.command)) {
      output = printed?.(step.command);
      if (output === undefined) continue;
    } else {
      const command = adapt ? adapt.command(own(step.command)) : own(step.command);
      const result = await execute('/bin/sh', ['-c', command], { env, cwd, timeoutMs: STEP_MS });
      output = result.stdout + result.stderr;
      if (adapt) output = adapt.output(output);
      ran++;
    }
    const plain = usual(output).replaceAll('\r', '').trimEnd();
    if (isUpdate) updates.push({ step, plain });
    else assert.equal(normalized(plain, more), normalized(step.expected, more), `${at}: $ ${step.command}`);
  }
  if (isUpdate) {
    for (const { step, plain } of updates.reverse()) {
      const first = step.line + step.command.split('\n').length - 1;
      lines.splice(first, step.endLine - 1 - first, ...(plain === '' ? [] : plain.split('\n')));
    }
    fs.writeFileSync(page, lines.join('\n'));
  }
  return ran;
}
