import { UserError } from '../base/errors.ts';
import { runAgent } from './agent.ts';
import { runForeground } from './foreground.ts';
import { occupiedPorts } from './machine-ports.ts';
import { type MachineOptions, prepareMachine } from './virtual-machine.ts';

export interface RunMachineOptions {
  /** Program with its arguments; empty for none. */
  readonly command: readonly string[];
  readonly proxyLogLevel: string;
  /** Told once, when the mesh and the machine can reach each other. */
  readonly onReady: (ip: string) => void;
}

const LOOK_MS = 100;
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** When the program has gone, what it said last is delivered, and nobody waits for more. */
const NO_PROGRAM_LEFT = {
  EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true',
  MINIMUM_DRAIN_DURATION: '0s',
  ISTHMUS_DRAIN_LIMIT: '5s',
};

/** Makes this machine a member of a mesh for as long as its program, or the agent, runs. Resolves with the exit code. */
export async function runMachine(options: MachineOptions, run: RunMachineOptions): Promise<number> {
  const machine = prepareMachine(options);
  const { env, dir, status, ip, programEnv } = machine;
  const [occupied] = await occupiedPorts({ ip, localAddress: options.localAddress });
  if (occupied !== undefined) throw new UserError(occupied);
  const [command, ...args] = run.command;
  const withProgram = command !== undefined;
  let ended = false;
  // Signals are for the program first, which may have something left to say to the mesh.
  const stop = new AbortController();
  const stopEarly = (signal: NodeJS.Signals) => stop.abort(signal);
  if (withProgram) for (const signal of SIGNALS) process.on(signal, stopEarly);
  const agent = runAgent(
    {
      role: 'sidecar',
      dir,
      meshConfig: './etc/istio/config/mesh',
      serviceCluster: 'istio-proxy',
      concurrency: 0,
      proxyLogLevel: run.proxyLogLevel,
      logAsJson: false,
      exitWithParent: false,
      warnings: [],
    },
    { ...(withProgram && NO_PROGRAM_LEFT), ...process.env, ...env },
    withProgram ? stop.signal : undefined,
  ).finally(() => (ended = true));
  const ready = untilReady(`${status}/healthz/ready`, () => ended);
  const isReady = await Promise.race([ready, agent.then(() => false)]);
  if (!isReady || stop.signal.aborted) return agent;
  run.onReady(ip);
  if (!withProgram) return agent;
  const abort = new AbortController();
  void agent.then(() => abort.abort());
  for (const signal of SIGNALS) process.off(signal, stopEarly);
  const code = await runForeground({
    command,
    args,
    env: { ...process.env, ...programEnv },
    cwd: process.cwd(),
    stdin: true,
    onStart: () => {},
    abort: abort.signal,
  }).finally(() => stop.abort('the program has ended'));
  if (abort.signal.aborted) throw new UserError(`the agent has ended, and so ${command} was stopped`);
  await agent;
  return code;
}

async function untilReady(url: string, isOver: () => boolean): Promise<boolean> {
  while (!isOver()) {
    const response = await fetch(url).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.status === 200) return true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return false;
}
