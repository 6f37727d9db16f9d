import { DNS_PORT } from '../agent/capture/options.ts';
import { whoIsInTheWay } from '../local/slot.ts';

/** Where the sidecar of a machine is an HTTP proxy for its program. */
export const HTTP_PROXY_PORT = 15002;
/** Where the agent says whether it is ready. */
export const STATUS_PORT = 15020;
const ADMIN_PORT = 15000;
const READINESS_PORT = 15021;
const METRICS_PORT = 15090;

/** Addresses of a machine as its sidecar has them. */
export interface MachineAddresses {
  /** By which the mesh reaches it. */
  readonly ip: string;
  /** Where its program finds the sidecar. */
  readonly localAddress: string;
}

/**
 * What keeps the agent and the sidecar of a machine from listening where they have to: one sentence for each of its two
 * addresses at most.
 */
export async function occupiedPorts({ ip, localAddress }: MachineAddresses): Promise<string[]> {
  // Both listen on the ports of the program: the sidecar for the mesh, the program for the sidecar.
  if (ip === localAddress)
    return [`${ip} is where the program listens; give another address of this machine with --ip or --local-address`];
  const outward = await firstProblem(ip, [STATUS_PORT, READINESS_PORT, METRICS_PORT], '--ip');
  const inward = [ADMIN_PORT, HTTP_PROXY_PORT, STATUS_PORT, DNS_PORT];
  const found = [outward, await firstProblem(localAddress, inward, '--local-address')];
  return found.filter((problem) => problem !== undefined);
}

async function firstProblem(address: string, ports: readonly number[], flag: string): Promise<string | undefined> {
  for (const port of ports) {
    const problem = await whoIsInTheWay(address, port);
    if (problem !== undefined) return `${problem}; stop that, or give another address of this machine with ${flag}`;
  }
  return undefined;
}
