#!/usr/bin/env node
import { codeOf } from '../base/errors.ts';
import { run } from './program.ts';

// A reader that has seen enough, such as head, is no reason to fail; writing on into nothing is harmless.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (codeOf(error) !== 'EPIPE') throw error;
  });
}

process.exitCode = await run(process.argv.slice(2));
