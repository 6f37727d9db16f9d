import fs from 'node:fs';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import YAML from 'yaml';
import { type Node, NodeSchema } from '../../../src/api/gen/envoy/config/core/v3/base_pb.ts';
import { parseNode } from '../../../src/translate/node.ts';
import { AdsClient } from './ads.ts';
import { type Difference, diffDumps } from './diff.ts';
import { dumpOf, type MeshFiles, meshSnapshot } from './isthmus.ts';
import { Istiod } from './istiod.ts';
import { isKnown, withoutRepeatedEndpoints } from './known.ts';
import { fetchAll, type Types } from './resources.ts';

/** A proxy of a fixture. What is left out is as for the sidecar `app-0` in `default`, or a gateway in `istio-system`. */
export interface FixtureNode {
  readonly type?: 'sidecar' | 'router';
  readonly namespace?: string;
  readonly ip?: string;
  readonly name?: string;
  readonly cluster?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly locality?: JsonObject;
  readonly serviceAccount?: string;
  readonly metadata?: JsonObject;
}

export interface FixtureHead {
  readonly mesh?: Readonly<Record<string, unknown>>;
  readonly nodes?: readonly FixtureNode[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A mesh and some of its proxies: a YAML file whose first document is `{mesh, nodes, env}`. */
export interface Fixture {
  readonly files: MeshFiles;
  readonly nodes: readonly Node[];
}

export const readFixture = (file: string): Fixture => parseFixture(fs.readFileSync(file, 'utf8'));

export function parseFixture(text: string): Fixture {
  const end = text.indexOf('\n---\n');
  const head = (YAML.parse(text.slice(0, end)) ?? {}) as FixtureHead;
  const mesh = { defaultConfig: { discoveryAddress: '127.0.0.1:1' }, ...head.mesh };
  return {
    files: { config: { 'config.yaml': text.slice(end + 5) }, mesh, env: head.env },
    nodes: (head.nodes ?? [{}]).map(nodeOf),
  };
}

function nodeOf(node: FixtureNode): Node {
  const { type = 'sidecar', ip = '10.0.0.1', name = 'app-0' } = node;
  const gateway = type === 'router';
  const namespace = node.namespace ?? (gateway ? 'istio-system' : 'default');
  return fromJson(NodeSchema, {
    id: `${type}~${ip.split(',')[0]}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    userAgentName: 'envoy',
    cluster: node.cluster ?? `${name}.${namespace}`,
    ...(node.locality === undefined ? {} : { locality: node.locality }),
    metadata: {
      NAMESPACE: namespace,
      LABELS: { ...(node.labels ?? (gateway ? { istio: 'ingressgateway' } : { app: 'app' })) },
      ISTIO_VERSION: '1.31.0',
      CLUSTER_ID: 'Kubernetes',
      INSTANCE_IPS: ip,
      NAME: name,
      SERVICE_ACCOUNT: node.serviceAccount ?? 'default',
      MESH_ID: 'cluster.local',
      ...node.metadata,
    },
  });
}

/** istiod serves before it has read everything: what differs is asked for again. */
const ATTEMPTS = 4;

/** Where our translation differs from a real istiod's for each proxy of a fixture, by the index of the proxy. */
export async function compare(types: Types, { files, nodes }: Fixture): Promise<readonly Difference[][]> {
  const { snapshot, translator } = meshSnapshot(files);
  const istiod = await Istiod.start(files);
  try {
    const differences: Difference[][] = [];
    for (const node of nodes) {
      const parsed = parseNode(node);
      if ('problem' in parsed) throw new Error(`the node ${parsed.problem}`);
      const actual = await dumpOf(types, translator.translate(snapshot, parsed));
      let found: Difference[] = [];
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const client = new AdsClient(istiod.address, node);
        const expected = await fetchAll(types, (type, names) => client.fetch(type, names));
        client.close();
        found = diffDumps(withoutRepeatedEndpoints(expected), actual).filter((difference) => !isKnown(difference));
        if (found.length === 0) break;
      }
      differences.push(found);
    }
    return differences;
  } catch (error) {
    throw istiod.panic() ?? error;
  } finally {
    await istiod.stop();
  }
}
