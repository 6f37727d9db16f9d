import { xxhash64 } from '../../base/xxhash64.ts';

/** Names of what a mesh makes on the machine begin with its slot, by which meshes that run at the same time differ. */
export function bridgeName(slot: number): string {
  return `isth${slot}`;
}

/** Of the outer end of a pod's cable: Linux has 15 bytes for it. `address` is the pod's. */
export function linkName(slot: number, address: string): string {
  const [, , high, low] = address.split('.');
  return `isth${slot}-${Number(high) * 256 + Number(low)}`;
}

/** Names of namespaces are names of files. */
const MAX_NAME = 200;

/** Of a pod's namespace: `isthmus-SLOT.MESH.NAMESPACE.POD`, cut where it would be too long. */
export function namespaceName(slot: number, mesh: string, pod: string): string {
  const name = `isthmus-${slot}.${mesh}.${pod.replace('/', '.')}`;
  if (name.length <= MAX_NAME) return name;
  const rest = xxhash64(Buffer.from(name)).toString(36);
  return `${name.slice(0, MAX_NAME - rest.length - 1)}-${rest}`;
}

/** The slot of the mesh that has made an interface or a namespace; undefined for what no mesh has made. */
export function slotOf(name: string): number | undefined {
  const match = /^isth(\d{1,2})(?:-\d{1,5})?$/.exec(name) ?? /^isthmus-(\d{1,2})\./.exec(name);
  return match === null ? undefined : Number(match[1]);
}
