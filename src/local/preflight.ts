import path from 'node:path';
import { UserError } from '../base/errors.ts';
import { FileStore } from '../config/store/file-store.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import type { Installation } from './install.ts';
import { ObjectView } from './object-view.ts';
import { desiredPods } from './pods/desired-pod.ts';
import { injectionOf } from './pods/injection.ts';
import { type PublishedPort, publishedPorts } from './publication.ts';
import { whoIsInTheWay } from './slot.ts';

/** Reads the folder once, for what must be known before anything is started. */
export async function readInput(directory: string): Promise<ConfigSnapshot> {
  const store = await FileStore.open({ directory: path.resolve(directory), pollInterval: 0, onProblem: () => {} });
  const { snapshot } = store;
  await store.close();
  return snapshot;
}

/** Finds out before anything is started whether gateways can have their ports. */
export async function checkPorts(
  input: ConfigSnapshot,
  installation: Installation,
  publishAddress: string,
): Promise<void> {
  const view = new ObjectView();
  for (const kind of ['Service', 'Deployment', 'StatefulSet', 'Pod'] as const)
    for (const o of input.list(kind)) view.add(o.raw);
  for (const object of installation.objects) view.add(object);
  const services = view.list('Service');
  const gateways = desiredPods(view).filter((pod) => injectionOf(pod, {}) === 'gateway');
  const ports = gateways.flatMap((pod) => publishedPorts(services, pod, publishAddress));
  const seen = new Map<string, PublishedPort>();
  for (const port of ports) {
    const key = `${port.address}:${port.published}`;
    const other = seen.get(key);
    if (other && other.service !== port.service) {
      throw new UserError(
        `the Services ${other.service} and ${port.service} both want ${key}; give one of them a loadBalancerIP of its own, such as 127.0.0.2`,
      );
    }
    seen.set(key, port);
  }
  for (const { address, published, service } of seen.values()) {
    const problem = await whoIsInTheWay(address, published);
    if (problem)
      throw new UserError(`${problem}; the gateway ${service} wants it. Stop that, or give another --address`);
  }
}
