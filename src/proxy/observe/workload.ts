import { fromBinary, fromJson, type JsonObject, toBinary, toJson } from '@bufbuild/protobuf';
import { StructSchema } from '@bufbuild/protobuf/wkt';

/** Who a peer is: what Istio's proxies tell each other, and what metrics are labelled with. Texts may be empty. */
export interface Workload {
  readonly instance: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly service: string;
  readonly revision: string;
  readonly app: string;
  readonly version: string;
  /** `deployment`, `pod`, `job` or `cronjob`; empty if it is none of them or not known. */
  readonly type: string;
  readonly identity: string;
  /** Further labels that were asked for. */
  readonly labels: Readonly<Record<string, string>>;
}

type Struct = Readonly<Record<string, unknown>>;

const NOBODY: Workload = {
  instance: '',
  cluster: '',
  namespace: '',
  name: '',
  service: '',
  revision: '',
  app: '',
  version: '',
  type: '',
  identity: '',
  labels: {},
};

const SERVICE = 'service.istio.io/canonical-name';
const REVISION = 'service.istio.io/canonical-revision';
const OWNERS = 'kubernetes://apis/apps/v1/namespaces/';
const TYPES: ReadonlySet<string> = new Set(['pod', 'deployment', 'job', 'cronjob']);
const KNOWN_LABELS: ReadonlySet<string> = new Set([SERVICE, REVISION, 'app', 'version']);

/** Reads the metadata of a node. `labels` are those to keep besides the ones that are always read. */
export function workloadOf(metadata: Struct, labels: ReadonlySet<string>): Workload {
  const all = structAt(metadata, 'LABELS');
  const name = textAt(metadata, 'WORKLOAD_NAME');
  const more: Record<string, string> = {};
  for (const label of labels) {
    if (!KNOWN_LABELS.has(label) && typeof all[label] === 'string') more[label] = all[label];
  }
  return {
    instance: textAt(metadata, 'NAME'),
    cluster: textAt(metadata, 'CLUSTER_ID'),
    namespace: textAt(metadata, 'NAMESPACE'),
    name,
    service: textAt(all, SERVICE),
    revision: textAt(all, REVISION),
    app: textAt(all, 'app'),
    version: textAt(all, 'version'),
    type: ownerType(textAt(metadata, 'OWNER'), name),
    identity: '',
    labels: more,
  };
}

function textAt(struct: Struct, key: string): string {
  const value = Object.hasOwn(struct, key) ? struct[key] : undefined;
  return typeof value === 'string' ? value : '';
}

function structAt(struct: Struct, key: string): Struct {
  const value = Object.hasOwn(struct, key) ? struct[key] : undefined;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Struct) : {};
}

/** `.../namespaces/NS/deployments/NAME` -> `deployment`. */
function ownerType(owner: string, name: string): string {
  const rest = owner.slice(0, Math.max(0, owner.length - name.length - 2));
  const type = rest.slice(rest.lastIndexOf('/') + 1);
  return rest.includes('/') && TYPES.has(type) ? type : '';
}

/** What a workload tells of itself: the reverse of {@link workloadOf}. */
export function workloadMetadata(workload: Workload): Struct {
  const { instance, namespace, name, cluster, service, revision, app, version, type } = workload;
  const labels = filled({ [SERVICE]: service, [REVISION]: revision, app, version, ...workload.labels });
  const owner = type === '' ? '' : `${OWNERS}${namespace}/${type}s/${name}`;
  return {
    ...filled({ NAME: instance, NAMESPACE: namespace, WORKLOAD_NAME: name, CLUSTER_ID: cluster, OWNER: owner }),
    LABELS: labels,
  };
}

function filled(texts: Readonly<Record<string, string>>): Struct {
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== ''));
}

/** What the control plane says of an endpoint: `WORKLOAD;NAMESPACE;SERVICE;REVISION;CLUSTER`. */
export function endpointWorkload(text: string): Workload | undefined {
  const parts = text.split(';');
  if (parts.length < 5) return undefined;
  const [name, namespace, service, revision, cluster] = parts;
  return { ...NOBODY, name, namespace, service, revision, cluster };
}

/** Keys of W3C baggage, as Istio's waypoints and ztunnels write it. */
const BAGGAGE: Readonly<Record<string, keyof Workload>> = {
  'k8s.namespace.name': 'namespace',
  'k8s.cluster.name': 'cluster',
  'service.name': 'service',
  'service.version': 'revision',
  'app.name': 'app',
  'app.version': 'version',
  'k8s.instance.name': 'instance',
};

/** What a client says of itself in a `baggage` header: `k8s.deployment.name=a,k8s.namespace.name=b,...`. */
export function baggageWorkload(text: string): Workload {
  const found: { -readonly [Key in keyof Workload]?: string } = {};
  for (const property of text.split(',')) {
    const equals = property.indexOf('=');
    if (equals < 0) continue;
    const key = property.slice(0, equals).trim();
    const value = property.slice(equals + 1).trim();
    const type = /^k8s\.(pod|deployment|job|cronjob)\.name$/.exec(key)?.[1];
    if (type !== undefined) {
      found.type = type;
      found.name = value;
    } else if (Object.hasOwn(BAGGAGE, key)) found[BAGGAGE[key]] = value;
  }
  return { ...NOBODY, ...found } as Workload;
}

/** A google.protobuf.Struct in binary form with its keys in order, so that equal structs are equal bytes. */
export function encodeStruct(struct: Struct): Uint8Array {
  return toBinary(StructSchema, fromJson(StructSchema, inOrder(struct)));
}

function inOrder(struct: Struct): JsonObject {
  const keys = Object.keys(struct).sort();
  return Object.fromEntries(
    keys.map((key) => {
      const value = struct[key];
      const nested = typeof value === 'object' && value !== null && !Array.isArray(value);
      return [key, nested ? inOrder(value as Struct) : value];
    }),
  ) as JsonObject;
}

/** Reads a google.protobuf.Struct. Undefined if it is none. */
export function decodeStruct(bytes: Uint8Array): Struct | undefined {
  try {
    return toJson(StructSchema, fromBinary(StructSchema, bytes)) as JsonObject;
  } catch {
    return undefined;
  }
}
