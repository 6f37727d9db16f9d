#!/usr/bin/env node
// Nothing is imported before it is certain that this Node can read it.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `isthmus: this is Node ${process.versions.node}, and Isthmus needs 22.18 or newer; in a checkout, "npx isthmus" brings its own\n`,
  );
  process.exit(69);
}

const [{ codeOf }, { run }] = await Promise.all([import('../base/errors.ts'), import('./program.ts')]);

// A reader that has seen enough, such as head, is no reason to fail; writing on into nothing is harmless.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (codeOf(error) !== 'EPIPE') throw error;
  });
}

process.exitCode = await run(process.argv.slice(2));
