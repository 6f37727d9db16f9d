import { UserError } from '../../base/errors.ts';
import type { ObjectState, WatchEvent } from '../../config/control/api.ts';
import type { ControlClient } from '../../config/control/client.ts';
import { type Resource, resourceOf, statusFor } from './objects.ts';
import type { Wanted } from './resource-type.ts';

export interface WatchOptions {
  /** Undefined for all namespaces. */
  readonly namespace: string | undefined;
  readonly matches: (resource: Resource) => boolean;
  /** Say nothing of how things stand at the start. */
  readonly onlyChanges: boolean;
  /** `first`: nothing has been printed before. */
  readonly print: (resources: readonly Resource[], first: boolean) => void;
}

/** Prints objects and then every change of them, until the mesh goes away; what was removed is printed a last time. */
export async function watchResources(
  client: ControlClient,
  wanted: readonly Wanted[],
  { namespace, matches, onlyChanges, print }: WatchOptions,
): Promise<void> {
  const definitions = [...new Set(wanted.map(({ definition }) => definition))];
  const shown = new Map<string, Resource>();
  let first = true;
  const show = async ({ objects, removed, complete }: WatchEvent): Promise<void> => {
    const status = await statusFor(client, definitions);
    const isWanted = (resource: Resource) =>
      wanted.some(
        ({ definition, name }) => definition === resource.definition && (name ?? resource.name) === resource.name,
      ) &&
      (namespace === undefined || !resource.definition.namespaced || resource.namespace === namespace) &&
      matches(resource);
    const read = (state: ObjectState) => {
      const type = wanted.find(({ definition }) => definition.id === state.kind);
      const resource = type && resourceOf(state, type.apiVersion, status);
      return resource && isWanted(resource) ? [resource] : [];
    };
    const current = objects.flatMap(read);
    const gone = removed.flatMap((key) => shown.get(key) ?? []);
    for (const resource of current) shown.set(resource.key, resource);
    for (const key of removed) shown.delete(key);
    const news = complete && onlyChanges ? [] : [...current, ...gone];
    if (news.length === 0) return;
    print(news, first);
    first = false;
  };
  await new Promise<void>((resolve, reject) => {
    let last = Promise.resolve();
    const end = client.watch(
      { kinds: definitions.map(({ id }) => id) },
      (event) => {
        last = last.then(() => show(event));
        last.catch((error) => {
          end();
          reject(error);
        });
      },
      (error) => {
        if (error instanceof UserError) reject(error);
        else void last.then(resolve);
      },
    );
  });
}
