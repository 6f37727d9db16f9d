import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Ends processes when this one goes, however it goes: a shell that reads what to watch from a pipe and acts when the pipe
 * closes, which the kernel sees to even after SIGKILL. It has no input but numbers, as kill(1) takes them: those of
 * groups are negative.
 */
const SCRIPT = `
trap '' INT TERM HUP QUIT
all=""
while read -r verb one; do
  case "$verb" in
    add) all="$all $one" ;;
    del) rest=""; for p in $all; do [ "$p" = "$one" ] || rest="$rest $p"; done; all="$rest" ;;
  esac
done
[ -z "$all" ] && exit 0
for p in $all; do kill -s TERM -- "$p" 2>/dev/null; done
n=0
while [ $n -lt 30 ]; do
  left=""
  for p in $all; do kill -s 0 -- "$p" 2>/dev/null && left="$left $p"; done
  [ -z "$left" ] && exit 0
  all="$left"; n=$((n + 1)); sleep 0.1
done
for p in $all; do kill -s KILL -- "$p" 2>/dev/null; done
`;

/** Watches over our children: over whole process groups, or over processes of our own group. */
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
    this.#shell.stdin?.write(`add -${group}\n`);
  }

  remove(group: number): void {
    this.#shell.stdin?.write(`del -${group}\n`);
  }

  /** Of a process that shares our group, such as one that has our terminal. */
  addProcess(pid: number): void {
    this.#shell.stdin?.write(`add ${pid}\n`);
  }

  removeProcess(pid: number): void {
    this.#shell.stdin?.write(`del ${pid}\n`);
  }

  /** Nothing is left to guard. */
  close(): void {
    this.#shell.stdin?.end();
  }
}
