#!/usr/bin/env node
// Nothing is imported before it is certain that this Node can read it.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `isthmus: this is Node ${process.versions.node}, and Isthmus needs 22.18 or newer; in a checkout, "npx isthmus" brings its own\n`,
  );
  process.exit(69);
}

// What a proxy makes is old or gone at once. V8 would let the space for new objects grow to 48 MB in a busy one, which
// costs memory and, by the processor's caches, a fifth of the time of a request. The size is settled when a process
// starts, so this one starts again in its place; whoever has a channel to its parent would lose it.
const [, , name = ''] = process.argv;
const young = '--max-semi-space-size=4';
const isSized = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((text) => text.includes('semi-space-size'));
if (['proxy', 'agent'].includes(name) && major >= 26 && !isSized && process.send === undefined && process.execve) {
  process.execve(
    process.execPath,
    [process.execPath, young, ...process.execArgv, ...process.argv.slice(1)],
    process.env,
  );
}

const [{ codeOf }, { run }] = await Promise.all([import('../base/errors.ts'), import('./program.ts')]);

// A reader that has seen enough, such as head, is no reason to fail; writing on into nothing is harmless.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (codeOf(error) !== 'EPIPE') throw error;
  });
}

process.exitCode = await run(process.argv.slice(2));
