import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Ends process groups when this process goes, however it goes: a shell that reads the groups to watch from a pipe and
 * acts when the pipe closes, which the kernel sees to even after SIGKILL. It has no input but numbers.
 */
const SCRIPT = `
trap '' INT TERM HUP QUIT
groups=""
while read -r verb group; do
  case "$verb" in
    add) groups="$groups $group" ;;
    del) rest=""; for g in $groups; do [ "$g" = "$group" ] || rest="$rest $g"; done; groups="$rest" ;;
  esac
done
[ -z "$groups" ] && exit 0
for g in $groups; do kill -s TERM -- "-$g" 2>/dev/null; done
n=0
while [ $n -lt 30 ]; do
  left=""
  for g in $groups; do kill -s 0 -- "-$g" 2>/dev/null && left="$left $g"; done
  [ -z "$left" ] && exit 0
  groups="$left"; n=$((n + 1)); sleep 0.1
done
for g in $groups; do kill -s KILL -- "-$g" 2>/dev/null; done
`;

/** Watches over the process groups of our children. */
export class Guard {
  readonly #shell: ChildProcess;

  constructor() {
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    // The guard has gone before us only if somebody killed it; there is nobody to tell then.
    this.#shell.stdin?.on('error', () => {});
    this.#shell.on('error', () => {});
    this.#shell.unref();
    (this.#shell.stdin as unknown as { unref?(): void } | null)?.unref?.();
  }

  get pid(): number | undefined {
    return this.#shell.pid;
  }

  add(group: number): void {
    this.#shell.stdin?.write(`add ${group}\n`);
  }

  remove(group: number): void {
    this.#shell.stdin?.write(`del ${group}\n`);
  }

  /** Nothing is left to guard. */
  close(): void {
    this.#shell.stdin?.end();
  }
}
