import fs from 'node:fs/promises';
import path from 'node:path';
import { messageOf, UserError } from '../base/errors.ts';
import { ControlClient } from '../config/control/client.ts';
import type { ServiceSpec } from '../config/kinds/service/schema.ts';
import type { WorkloadGroupSpec } from '../config/kinds/workload-group/schema.ts';
import { type JoiningGroup, joiningGroup } from '../config/virtual-machine/joining-group.ts';
import { isRevisioned, type Json } from '../config/virtual-machine/proxy-config.ts';
import { parseYaml } from '../config/yaml/parse.ts';
import { ApiClient, ApiError } from '../kubernetes/api-client.ts';
import { readKubeconfig } from '../kubernetes/kubeconfig.ts';
import { findMesh, type RunningMesh } from './meshes.ts';

/** The mesh that a machine is to join, as far as the files for it ask for it. Failures are UserErrors of one sentence. */
export interface WorkloadSource {
  group(namespace: string, name: string): Promise<JoiningGroup>;
  /** The mesh's configuration (MeshConfig as JSON). */
  meshConfig(istioNamespace: string, revision: string): Promise<Json>;
  /** The name of the cluster, where it is not told; empty where it has none. */
  clusterId(istioNamespace: string, revision: string): Promise<string>;
  /** What is to be trusted, in PEM. */
  rootCertificate(namespace: string): Promise<string>;
  token(namespace: string, serviceAccount: string, seconds: number): Promise<string>;
  /** Where a Service, or the control plane behind it, is reached from outside; undefined if nobody knows. */
  gatewayAddress(namespace: string, name: string): Promise<string | undefined>;
}

/** Which mesh is meant. */
export interface SourceChoice {
  /** Of a local mesh. */
  readonly mesh?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** A cluster where one is named; otherwise the mesh that runs on this machine. */
export async function openWorkloadSource(choice: SourceChoice, env: NodeJS.ProcessEnv): Promise<WorkloadSource> {
  const file = choice.kubeconfig ?? env.KUBECONFIG?.split(path.delimiter)[0];
  if (choice.kubeconfig !== undefined || choice.context !== undefined)
    return new ClusterSource(file || path.join(env.HOME ?? '', '.kube/config'), choice.context);
  try {
    return new MeshSource(await findMesh(env, choice.mesh));
  } catch (error) {
    if (choice.mesh === undefined && file) return new ClusterSource(file, undefined);
    throw error;
  }
}

interface ConfigMap {
  readonly data?: Readonly<Record<string, string>>;
}

class ClusterSource implements WorkloadSource {
  readonly #client: ApiClient;

  constructor(kubeconfig: string, context: string | undefined) {
    this.#client = new ApiClient(readKubeconfig(kubeconfig, context));
  }

  async group(namespace: string, name: string): Promise<JoiningGroup> {
    interface Answer {
      readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
      readonly spec: WorkloadGroupSpec;
    }
    const route = `/apis/networking.istio.io/v1/namespaces/${part(namespace)}/workloadgroups/${part(name)}`;
    const found = await this.#client.get<Answer>(route).catch((error: unknown) => {
      throw new UserError(`workloadgroup ${name} not found in namespace ${namespace}: ${messageOf(error)}`);
    });
    return joiningGroup(name, namespace, found.metadata.annotations, found.spec);
  }

  async meshConfig(istioNamespace: string, revision: string): Promise<Json> {
    const name = revisioned('istio', revision);
    const { data } = await this.#configMap(istioNamespace, name).catch(notFound(`configmap ${name}`, istioNamespace));
    const { documents, problems } = parseYaml(data?.mesh ?? '', `ConfigMap ${istioNamespace}/${name}`);
    if (problems[0]) throw new UserError(`ConfigMap ${istioNamespace}/${name}: ${problems[0].message}`);
    return (documents[0]?.value ?? {}) as Json;
  }

  async clusterId(istioNamespace: string, revision: string): Promise<string> {
    const name = revisioned('istio-sidecar-injector', revision);
    const { data } = await this.#configMap(istioNamespace, name).catch((error: unknown) => {
      throw new UserError(`fetch injection template: ${messageOf(error)}`);
    });
    const values = JSON.parse(data?.values || '{}') as {
      readonly global?: { readonly multiCluster?: { readonly clusterName?: string } };
    };
    return values.global?.multiCluster?.clusterName ?? '';
  }

  async rootCertificate(namespace: string): Promise<string> {
    const name = 'istio-ca-root-cert';
    const { data } = await this.#configMap(namespace, name).catch(notFound(`configmap ${name}`, namespace));
    return data?.['root-cert.pem'] ?? '';
  }

  async token(namespace: string, serviceAccount: string, seconds: number): Promise<string> {
    const route = `/api/v1/namespaces/${part(namespace)}/serviceaccounts/${part(serviceAccount)}/token`;
    const request = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: ['istio-ca'], expirationSeconds: seconds },
    };
    const answer = await this.#client
      .post<{ readonly status?: { readonly token?: string } }>(route, request)
      .catch((error: unknown) => {
        throw new UserError(
          `could not create a token under service account ${serviceAccount} in namespace ${namespace}: ${messageOf(error)}`,
        );
      });
    return answer.status?.token ?? '';
  }

  async gatewayAddress(namespace: string, name: string): Promise<string | undefined> {
    interface Service {
      readonly spec?: ServiceSpec;
      readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } };
    }
    try {
      const route = `/api/v1/namespaces/${part(namespace)}/services/${part(name)}`;
      const { spec, status } = await this.#client.get<Service>(route);
      return status?.loadBalancer?.ingress?.[0]?.ip ?? spec?.externalIPs?.[0];
    } catch (error) {
      if (error instanceof ApiError) return undefined;
      throw error;
    }
  }

  #configMap(namespace: string, name: string): Promise<ConfigMap> {
    return this.#client.get(`/api/v1/namespaces/${part(namespace)}/configmaps/${part(name)}`);
  }
}

const part = encodeURIComponent;

function revisioned(name: string, revision: string): string {
  return isRevisioned(revision) ? `${name}-${revision}` : name;
}

function notFound(what: string, namespace: string): (error: unknown) => never {
  return (error) => {
    throw new UserError(`${what} was not found in namespace ${namespace}: ${messageOf(error)}`);
  };
}

/** What every proxy of a local mesh calls its cluster. */
const LOCAL_CLUSTER = 'Kubernetes';
const XDS_PORT = 15012;

class MeshSource implements WorkloadSource {
  readonly #mesh: RunningMesh;
  readonly #client: ControlClient;

  constructor(mesh: RunningMesh) {
    this.#mesh = mesh;
    this.#client = new ControlClient(mesh.controlSocket);
  }

  async group(namespace: string, name: string): Promise<JoiningGroup> {
    const { objects } = await this.#client.objects({ kinds: ['WorkloadGroup'], namespace, name });
    const raw = objects[0]?.raw as
      | { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }; readonly spec: object }
      | undefined;
    if (raw === undefined)
      throw new UserError(
        `workloadgroup ${name} not found in namespace ${namespace}: workloadgroups.networking.istio.io "${name}" not found`,
      );
    return joiningGroup(name, namespace, raw.metadata.annotations, raw.spec as WorkloadGroupSpec);
  }

  async meshConfig(_istioNamespace: string, revision: string): Promise<Json> {
    if (isRevisioned(revision))
      throw new UserError(
        `the mesh ${this.#mesh.name} has one control plane, without a revision: leave out --revision`,
      );
    return JSON.parse(await fs.readFile(path.join(this.#mesh.folder, 'mesh.yaml'), 'utf8')) as Json;
  }

  async clusterId(): Promise<string> {
    return LOCAL_CLUSTER;
  }

  async rootCertificate(): Promise<string> {
    return (await this.#client.trust()).rootCertificate;
  }

  async token(namespace: string, serviceAccount: string, seconds: number): Promise<string> {
    return (await this.#client.token({ namespace, serviceAccount, ttlMs: seconds * 1000 })).token;
  }

  /** A gateway that leads to the control plane, if there is one; on one machine it is reached itself just as well. */
  async gatewayAddress(_namespace: string, name: string): Promise<string | undefined> {
    const { urls } = await this.#client.status();
    const published = urls.find(({ gateway, port }) => gateway === name && port === XDS_PORT);
    const address = published?.url ?? this.#mesh.discovery.secureGrpc;
    return address.replace(/^.*\/\//, '').replace(/:\d+$/, '');
  }
}
