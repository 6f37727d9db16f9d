import type { Command } from 'commander';
import type { Streams } from './command.ts';
import { define as defineDescribe } from './describe/index.ts';
import { define as defineWorkload } from './workload/index.ts';

/** `isthmus x`: the names under which istioctl has commands that are no experiments any more. */
export function define(command: Command, streams: Streams): void {
  const workload = command.command('workload').summary('Prepare outside workloads to join a mesh');
  defineWorkload(workload, streams);
  const describe = command.command('describe').summary('Describe resource and related Istio configuration');
  defineDescribe(describe, streams);
}
