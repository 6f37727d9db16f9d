import { UserError } from '../../base/errors.ts';
import { groupOf, type KindDefinition } from '../../config/kinds/definition.ts';
import { KINDS, kindById } from '../../config/kinds/index.ts';

const ALL_KINDS: readonly KindDefinition[] = KINDS;

/** Kinds that `all` stands for, in kubectl's order. */
const ALL = ['Pod', 'Service', 'Deployment', 'ReplicaSet', 'StatefulSet', 'Job'];

/** A kind as somebody names it on a command line. */
export interface ResourceType {
  readonly definition: KindDefinition;
  /** `group/version` in which its objects are printed. */
  readonly apiVersion: string;
}

/**
 * The kinds that a word means: `vs`, `virtualservice(s)`, `VirtualService`, with `.GROUP` or `.VERSION.GROUP` behind it,
 * or a category: `all`, `istio-io`, `networking-istio-io`. Throws kubectl's error when there is none.
 */
export function resourceTypes(word: string): ResourceType[] {
  const name = word.toLowerCase();
  const inCategory = ALL_KINDS.filter((kind) => categoriesOf(kind).includes(name));
  if (name === 'all') return ALL.map((id) => preferred(ALL_KINDS.find((kind) => kind.id === id)!));
  if (inCategory.length > 0) return inCategory.map(preferred);
  for (const definition of ALL_KINDS) {
    const { kind, plural, shortNames = [], apiVersions } = definition;
    for (const own of [plural, kind.toLowerCase(), ...shortNames]) {
      if (name === own) return [preferred(definition)];
      if (!name.startsWith(`${own}.`)) continue;
      const rest = name.slice(own.length + 1);
      if (rest === groupOf(apiVersions[0])) return [preferred(definition)];
      const apiVersion = apiVersions.find((v) => v === rest || v.split('/').reverse().join('.') === rest);
      if (apiVersion !== undefined) return [{ definition, apiVersion }];
    }
  }
  throw new UserError(`the server doesn't have a resource type ${JSON.stringify(word)}`);
}

/** `virtualservices.networking.istio.io`, `services`: how messages of an API server name a kind. */
export function pluralName({ plural, apiVersions }: KindDefinition): string {
  return withGroup(plural, apiVersions[0]);
}

/** `virtualservice.networking.istio.io`, `service`: how kubectl names a kind before the name of an object. */
export function singularName({ kind, apiVersions }: KindDefinition): string {
  return withGroup(kind.toLowerCase(), apiVersions[0]);
}

/** `virtualservice.networking.istio.io/reviews`, from a key of the mesh. */
export function objectName(key: string): string {
  const [id = '', , name = ''] = key.split('/');
  const definition = kindById(id);
  return `${definition === undefined ? id.toLowerCase() : singularName(definition)}/${name}`;
}

function withGroup(name: string, apiVersion: string): string {
  const group = groupOf(apiVersion);
  return group === '' ? name : `${name}.${group}`;
}

function preferred(definition: KindDefinition): ResourceType {
  return { definition, apiVersion: definition.apiVersions[0] };
}

/** The categories of Istio's CRDs. */
function categoriesOf({ apiVersions }: KindDefinition): string[] {
  const group = groupOf(apiVersions[0]);
  return group.endsWith('.istio.io') ? ['istio-io', group.replaceAll('.', '-')] : [];
}

/** Objects that somebody asks for: all of a kind, or one by name. */
export interface Wanted extends ResourceType {
  readonly name: string | undefined;
}

export interface WantedResources {
  readonly wanted: readonly Wanted[];
  /** Whether several kinds were asked for, so that each object must say which it is. */
  readonly severalTypes: boolean;
}

/** Reads `vs`, `vs a b`, `vs,gw`, `vs/a gw/b`. Undefined when there are no arguments. */
export function parseResourceArguments(args: readonly string[]): WantedResources | undefined {
  const [first, ...rest] = args;
  if (first === undefined) return undefined;
  if (args.some((arg) => arg.includes('/'))) return parseSlashed(args);
  const types = first.split(',').flatMap(resourceTypes);
  const wanted =
    rest.length === 0
      ? types.map((type) => ({ ...type, name: undefined }))
      : types.flatMap((type) => rest.map((name) => ({ ...type, name })));
  return { wanted, severalTypes: types.length > 1 || first.includes(',') };
}

function parseSlashed(args: readonly string[]): WantedResources {
  const wanted = args.map((arg) => {
    const parts = arg.split('/');
    if (parts.length === 1)
      throw new UserError(
        `there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'isthmus get resource/<resource_name>' instead of 'isthmus get resource resource/<resource_name>')`,
      );
    const [type = '', name = ''] = parts;
    if (parts.length > 2 || type === '' || name === '')
      throw new UserError(`arguments in resource/name form must have a single resource and name, not ${arg}`);
    return { ...resourceTypes(type)[0]!, name };
  });
  return { wanted, severalTypes: new Set(wanted.map((w) => w.definition.id)).size > 1 };
}
