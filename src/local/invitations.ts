import fs from 'node:fs';
import net from 'node:net';
import { UserError } from '../base/errors.ts';
import type { InviteRequest, InviteResponse } from '../config/control/mesh-api.ts';
import type { WorkloadGroupSpec } from '../config/kinds/workload-group/schema.ts';
import { clusterEnv, formatClusterEnv } from '../config/virtual-machine/cluster-env.ts';
import { type JoiningGroup, joiningGroup } from '../config/virtual-machine/joining-group.ts';
import { istiodHost, type Json, memberProxyConfig } from '../config/virtual-machine/proxy-config.ts';
import { type Invited, JOIN_PORT, JoinServer } from './join-server.ts';
import type { LocalMesh } from './mesh.ts';
import type { OutsideWorkloads } from './outside-workloads.ts';

const XDS_PORT = 15012;
const CLUSTER = 'Kubernetes';
const MIN_TTL_MS = 10_000;
const MAX_TTL_MS = 7 * 86_400_000;

/** Invites machines into a local mesh, and takes in those that come. */
export class Invitations {
  readonly #mesh: LocalMesh;
  readonly #outside: OutsideWorkloads;
  #server: Promise<JoinServer> | undefined = undefined;

  constructor(mesh: LocalMesh, outside: OutsideWorkloads) {
    this.#mesh = mesh;
    this.#outside = outside;
  }

  /** A code for one machine. The port at which it comes in is opened for the first. */
  async invite({ namespace, group, ttlMs, tokenTtlMs, host }: InviteRequest): Promise<InviteResponse> {
    if (!(ttlMs >= MIN_TTL_MS && ttlMs <= MAX_TTL_MS))
      throw new UserError('a code is good for 10 seconds at least and for a week at most');
    await this.#group(namespace, group);
    const { publishAddress } = this.#mesh.options;
    this.#server ??= this.#open(publishAddress);
    const server = await this.#server.catch((error) => {
      this.#server = undefined;
      throw error;
    });
    const expiresAt = Date.now() + ttlMs;
    const at = host ?? publishAddress;
    return {
      code: server.invite({ namespace, group, expiresAt, tokenTtlMs }, at),
      expiresAt,
      at: `${at}:${JOIN_PORT}`,
    };
  }

  close(): void {
    void this.#server?.then(
      (server) => server.close(),
      () => {},
    );
  }

  #open(address: string): Promise<JoinServer> {
    return JoinServer.open({
      address,
      look: async (invited) => ({
        namespace: invited.namespace,
        group: invited.group,
        discovery: this.#discovery(),
        ports: Object.values((await this.#group(invited.namespace, invited.group)).spec.template?.ports ?? {}),
      }),
      files: (invited, ip) => this.#files(invited, ip),
    });
  }

  async #group(namespace: string, name: string): Promise<JoiningGroup> {
    const { objects } = await this.#mesh.control.objects({ kinds: ['WorkloadGroup'], namespace, name });
    const raw = objects[0]?.raw as
      | { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }; readonly spec: object }
      | undefined;
    if (raw === undefined)
      throw new UserError(`workloadgroups.networking.istio.io "${name}" not found in ${namespace}`);
    return joiningGroup(name, namespace, raw.metadata.annotations, raw.spec as WorkloadGroupSpec);
  }

  /** A gateway that publishes the control plane, or the control plane itself. */
  #discovery(): string {
    const published = this.#mesh.publishedPorts.find(({ port }) => port === XDS_PORT);
    return published ? `${published.address}:${published.published}` : this.#mesh.record.discovery.secureGrpc;
  }

  async #files({ namespace, group, tokenTtlMs }: Invited, ip: string): Promise<Record<string, string>> {
    const member = await this.#group(namespace, group);
    const mesh = JSON.parse(fs.readFileSync(this.#mesh.folder.meshConfig, 'utf8')) as Json;
    const names = { istioNamespace: this.#mesh.namespace, revision: '' };
    const how = { ...names, clusterId: CLUSTER, autoRegister: true, captureDns: true };
    const discovery = this.#discovery();
    const host = discovery.slice(0, discovery.lastIndexOf(':'));
    const proxyConfig: Json = {
      ...memberProxyConfig(member, mesh, how),
      discoveryAddress: `${istiodHost(names.istioNamespace, '')}:${discovery.slice(host.length + 1)}`,
    };
    const serviceAccount = member.spec.template?.serviceAccount ?? 'default';
    return {
      'cluster.env': formatClusterEnv(clusterEnv(member, proxyConfig, { ...names, internalIp: ip })),
      'mesh.yaml': `${JSON.stringify({ defaultConfig: proxyConfig }, undefined, 2)}\n`,
      'root-cert.pem': this.#outside.rootCertificate(),
      'istio-token': await this.#outside.issueToken({ namespace, serviceAccount, ttlMs: tokenTtlMs }),
      hosts: net.isIP(host) === 0 ? '' : `${host} ${istiodHost(names.istioNamespace, '')}\n`,
    };
  }
}
