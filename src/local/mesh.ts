import fs from 'node:fs';
import path from 'node:path';
import { podPort } from '../agent/pod-network.ts';
import { messageOf, UserError } from '../base/errors.ts';
import { LOCAL_TOKEN_ISSUER, TokenIssuer } from '../ca/tokens/token-issuer.ts';
import { ControlClient } from '../config/control/client.ts';
import type { PublishedUrl } from '../config/control/mesh-api.ts';
import { formatMessage } from '../config/message.ts';
import { Guard } from '../process/guard.ts';
import type { ProcessStatus } from '../process/managed-process.ts';
import { MeshCertificates } from './certificates/mesh-certificates.ts';
import {
  type ConfigurationEvent,
  ConfigurationReports,
  type ConfigurationReportsOptions,
} from './configuration-reports.ts';
import { ControlPlaneProcess } from './control-plane-process.ts';
import { type Installation, installationOf } from './install.ts';
import { MeshFolder, type MeshRecord } from './mesh-folder.ts';
import { valuesOf, writeCaFiles } from './object-values.ts';
import { ObjectView } from './object-view.ts';
import type { OwnProgram } from './own-program.ts';
import { PodReports } from './pod-reports.ts';
import { type DesiredPod, desiredPods, podKey } from './pods/desired-pod.ts';
import { type Injection, injectedPod, injectionOf } from './pods/injection.ts';
import { Pod } from './pods/pod.ts';
import type { PodSurroundings } from './pods/pod-surroundings.ts';
import { serviceLinks } from './pods/program-environment.ts';
import { checkPorts, readInput } from './preflight.ts';
import { programHome } from './program-home.ts';
import { type PublishedPort, publicationOf, publishedPorts } from './publication.ts';
import { publishedUrls } from './published-urls.ts';
import { controlPlaneObjects } from './runtime-objects.ts';
import { mayUseLowPorts, type Slot, takeSlot } from './slot.ts';

export interface MeshOptions {
  /** The folder of YAML. */
  readonly directory: string;
  readonly name: string;
  /** Where the state of meshes is kept. */
  readonly home: string;
  /** Where gateways are reached from outside the mesh. */
  readonly publishAddress: string;
  readonly isthmus: OwnProgram;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Finds what does not fit together in the objects that are in force. */
  readonly examine: ConfigurationReportsOptions['examine'];
  readonly onEvent: (event: MeshEvent) => void;
}

/** Something that happened and that a person wants to read about. */
export type MeshEvent =
  | { readonly kind: 'step'; readonly text: string }
  | { readonly kind: 'problem'; readonly text: string }
  | ConfigurationEvent;

const KINDS = [
  'Pod',
  'Deployment',
  'ReplicaSet',
  'StatefulSet',
  'Job',
  'Service',
  'Namespace',
  'Secret',
  'ConfigMap',
  'Gateway',
  'Route',
  'IstioOperator',
] as const;

const DOMAIN = 'cluster.local';
/** Where the proxy and the agent of a pod are asked. */
export const PROXY_PORTS = { admin: 15000, status: 15020 } as const;
const PORTS = { grpc: 15010, secureGrpc: 15012, http: 8080, monitoring: 15014 };
/** The end of the address that stands for the load balancer of the gateways; no pod gets it. */
const OUTSIDE_ADDRESS = '255.254';
const DRAIN_WAIT_MS = 2_000;
const RECONNECT_MS = 100;

/** A mesh of processes on this machine, made of a folder of YAML and kept as the YAML says. */
export class LocalMesh {
  readonly options: MeshOptions;
  readonly folder: MeshFolder;
  readonly startedAt = Date.now();
  readonly record: MeshRecord;
  readonly control: ControlClient;
  readonly #slot: Slot;
  readonly #guard = new Guard();
  readonly #tokens: TokenIssuer;
  readonly #privileged: boolean;
  readonly #discovery: ControlPlaneProcess;
  readonly #reports: PodReports;
  readonly #configuration: ConfigurationReports;
  readonly #view = new ObjectView();
  readonly #pods = new Map<string, Pod>();
  readonly #runs = new Map<string, Pod>();
  /** Folder with the files of the authority. */
  readonly #authority: string;
  readonly #rootCertificate: string;
  #certificates: MeshCertificates | undefined = undefined;
  #installation: Installation;
  #unwatch: (() => void) | undefined = undefined;
  #stopping: Promise<void> | undefined = undefined;
  #scheduled = false;
  #connected = false;
  /** What was last told of each pod that is not as it should be. */
  readonly #reported = new Map<string, string>();
  readonly #announced = new WeakSet<Pod>();
  #waiters: (() => void)[] = [];

  private constructor(
    options: MeshOptions,
    folder: MeshFolder,
    installation: Installation,
    parts: { slot: Slot; tokens: TokenIssuer; privileged: boolean; plugged: boolean },
  ) {
    this.options = options;
    this.folder = folder;
    this.#installation = installation;
    this.#slot = parts.slot;
    this.#tokens = parts.tokens;
    this.#privileged = parts.privileged;
    const own = installation.pilotEnv.EXTERNAL_CA ? 'upstream' : 'ca';
    this.#authority = parts.plugged ? folder.cacerts : path.join(folder.state, own);
    this.#rootCertificate = path.join(this.#authority, 'root-cert.pem');
    const { pod } = this.#slot.pool.acquire(`${installation.namespace}/istiod`);
    const at = (port: number) => `${pod}:${port}`;
    this.record = {
      name: folder.name,
      dir: path.resolve(options.directory),
      pid: process.pid,
      controlSocket: folder.controlSocket,
      discovery: {
        grpc: at(PORTS.grpc),
        secureGrpc: at(PORTS.secureGrpc),
        http: at(PORTS.http),
        monitoring: at(PORTS.monitoring),
      },
      startedAt: this.startedAt,
    };
    this.control = new ControlClient(folder.discoverySocket);
    this.#reports = new PodReports(this.control, (problem) => this.#report(formatMessage(problem)));
    this.#configuration = new ConfigurationReports({
      control: this.control,
      examine: options.examine,
      isSettled: () => this.#hasSettled,
      onEvent: options.onEvent,
    });
    const { isthmus, directory, env } = options;
    const { plugged } = parts;
    const addresses = this.record.discovery;
    this.#discovery = new ControlPlaneProcess(
      { isthmus, directory, folder, addresses, domain: DOMAIN, installation, plugged, env },
      this.#guard,
      () => this.#wake(),
    );
  }

  /** Starts everything, and returns while pods are still on their way. Throws a UserError if there is nothing to start. */
  static async start(options: MeshOptions): Promise<LocalMesh> {
    const folder = new MeshFolder(options.home, options.name);
    const other = folder.running();
    if (other) {
      const since = new Date(other.startedAt).toISOString();
      throw new UserError(
        `the mesh ${folder.name} runs already: process ${other.pid}, of ${other.dir}, since ${since}; stop it with "isthmus down", or give this one another --name`,
      );
    }
    const input = await readInput(options.directory);
    const installation = installationOf(input);
    await checkPorts(input, installation, options.publishAddress);
    const slot = await takeSlot();
    try {
      folder.prepare();
      const tokens = await TokenIssuer.open(path.join(folder.state, 'tokens'), { issuer: LOCAL_TOKEN_ISSUER });
      const privileged = await mayUseLowPorts(`${slot.pool.podPrefix}255.253`);
      const plugged = writeCaFiles(input, installation.namespace, folder.cacerts);
      const mesh = new LocalMesh(options, folder, installation, { slot, tokens, privileged, plugged });
      await mesh.#openCertificates(plugged);
      await mesh.#begin();
      return mesh;
    } catch (error) {
      slot.release();
      folder.finish();
      throw error;
    }
  }

  async #openCertificates(plugged: boolean): Promise<void> {
    const { folder, record } = this;
    const { namespace } = this.#installation;
    this.#certificates = await MeshCertificates.open({
      authority: this.#authority,
      plugged,
      rotation: path.join(folder.state, 'rotation'),
      trustDomain: this.#trustDomain,
      workloads: () =>
        this.pods
          .filter((pod) => pod.injection !== 'none' && !pod.terminating)
          .map(({ desired: { name, namespace: ns }, addresses }) => ({
            workload: `${name}.${ns}`,
            admin: `${addresses.sidecar}:${PROXY_PORTS.admin}`,
            status: `${addresses.pod}:${PROXY_PORTS.status}`,
          })),
      controlPlane: { address: record.discovery.secureGrpc, name: `istiod.${namespace}` },
    });
  }

  /** What certificates there are, and the change of the authority. */
  get certificates(): MeshCertificates {
    return this.#certificates!;
  }

  get #trustDomain(): string {
    return String(this.#installation.meshConfig.trustDomain ?? DOMAIN);
  }

  async #begin(): Promise<void> {
    const { namespace, meshConfig } = this.#installation;
    fs.writeFileSync(this.folder.meshConfig, `${JSON.stringify(meshConfig, undefined, 2)}\n`, { mode: 0o600 });
    const { pod } = this.#slot.pool.acquire(`${namespace}/istiod`);
    const objects = [...controlPlaneObjects(namespace, pod), ...this.#installation.objects];
    fs.writeFileSync(
      path.join(this.folder.runtime, 'installation.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
      { mode: 0o600 },
    );
    this.folder.write(this.record);
    await this.#discovery.start(this.control);
    this.options.onEvent({ kind: 'step', text: `discovery at ${this.record.discovery.secureGrpc}` });
    this.#watch();
    this.#configuration.start();
  }

  #watch(): void {
    if (this.#stopping) return;
    this.#unwatch = this.control.watch(
      { kinds: KINDS, written: true },
      (event) => {
        const changed = this.#view.update(event);
        if (event.complete) {
          this.#connected = true;
          // A control plane that was started anew has its objects from the runtime folder.
          for (const object of this.#installation.objects) this.#view.add(object);
          for (const pod of this.#allPods()) this.#reports.tell(pod);
        }
        this.#objectsChanged(changed);
      },
      () => {
        this.#connected = false;
        if (!this.#stopping) setTimeout(() => this.#watch(), RECONNECT_MS);
      },
    );
  }

  #objectsChanged(keys: readonly string[]): void {
    const kinds = new Set(keys.map((key) => key.slice(0, key.indexOf('/'))));
    if (kinds.has('IstioOperator') || kinds.has('ConfigMap')) this.#updateMeshConfig();
    const names = ['Gateway', 'Route', 'Service', 'Deployment'];
    if (kinds.has('Secret') || kinds.has('ConfigMap') || names.some((kind) => kinds.has(kind))) {
      for (const pod of this.#allPods()) pod.objectsChanged();
    }
    if (kinds.has('Secret') && writeCaFiles(this.#view, this.#installation.namespace, this.folder.cacerts)) {
      this.#certificates?.authorityChanged().catch((error: unknown) => this.#report(messageOf(error)));
    }
    this.#reconcileSoon();
  }

  #updateMeshConfig(): void {
    const next = installationOf(this.#view);
    const text = `${JSON.stringify(next.meshConfig, undefined, 2)}\n`;
    if (fs.readFileSync(this.folder.meshConfig, 'utf8') !== text) {
      const draft = `${this.folder.meshConfig}.new`;
      fs.writeFileSync(draft, text, { mode: 0o600 });
      fs.renameSync(draft, this.folder.meshConfig);
    }
    const fixed = (i: Installation) => JSON.stringify([i.namespace, i.objects, i.pilotEnv]);
    if (fixed(next) !== fixed(this.#installation)) {
      this.#report(
        'gateways and the environment of the control plane are set up when the mesh starts; run "isthmus up" again to change them',
      );
    }
    this.#installation = { ...this.#installation, meshConfig: next.meshConfig };
  }

  #report(text: string): void {
    this.options.onEvent({ kind: 'problem', text });
  }

  #reconcileSoon(): void {
    if (this.#scheduled || this.#stopping) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#stopping && this.#connected) this.#reconcile();
      this.#wake();
    });
  }

  /** Starts the pods that are wanted and stops those that are not, once those in their place are ready. */
  #reconcile(): void {
    const wanted = new Map(desiredPods(this.#view).map((desired) => [podKey(desired), desired]));
    for (const [key, desired] of wanted) {
      const pod = this.#pods.get(key);
      if (pod === undefined) this.#create(key, desired);
      else if (pod.desired.hash !== desired.hash && !pod.terminating) void this.#remove(key, pod);
    }
    for (const [key, pod] of this.#pods) {
      if (wanted.has(key) || pod.terminating) continue;
      const { owner, namespace } = pod.desired;
      const successors = [...wanted.values()].filter(
        (d) =>
          owner !== undefined &&
          d.namespace === namespace &&
          d.owner?.kind === owner.kind &&
          d.owner.name === owner.name,
      );
      const ready = successors.filter((d) => this.#pods.get(podKey(d))?.ready).length;
      if (ready === successors.length) void this.#remove(key, pod);
    }
  }

  #create(key: string, desired: DesiredPod): void {
    const injection = this.#injection(desired);
    const pod = new Pod(
      injectedPod(desired, injection),
      injection,
      this.#surroundings(key, desired, injection === 'gateway', false),
    );
    this.#pods.set(key, pod);
    this.#reports.tell(pod);
    void pod.start();
  }

  #surroundings(key: string, desired: DesiredPod, gateway: boolean, external: boolean): PodSurroundings {
    const { options, folder } = this;
    const { namespace } = desired;
    const addresses = this.#slot.pool.acquire(key);
    const file = key.replace('/', '.');
    const services = this.#view.list('Service', namespace);
    const privileged = this.#privileged;
    const { meshConfig } = this.#installation;
    const trustDomain = this.#trustDomain;
    return {
      guard: this.#guard,
      addresses,
      podPrefix: this.#slot.pool.podPrefix,
      privileged,
      tokens: this.#tokens,
      values: valuesOf(this.#view, namespace),
      home: programHome(desired.source.locate([]).file, options.directory, folder.path),
      folder: path.join(folder.pods, file),
      claims: path.join(folder.claims, namespace),
      logs: path.join(folder.logs, file),
      rootCertificate: this.#rootCertificate,
      agent: { command: options.isthmus.command, args: [...options.isthmus.args, 'agent'] },
      agentEnv: {
        CA_ADDR: this.record.discovery.secureGrpc,
        ISTIOD_SAN: `istiod.${this.#installation.namespace}.svc`,
        TRUST_DOMAIN: trustDomain,
        ISTIO_META_CLUSTER_ID: 'Kubernetes',
        ISTIO_META_MESH_ID: String(
          (meshConfig.defaultConfig as { meshId?: string } | undefined)?.meshId ?? trustDomain,
        ),
        PROXY_CONFIG: JSON.stringify({
          ...(meshConfig.defaultConfig as object | undefined),
          discoveryAddress: this.record.discovery.secureGrpc,
        }),
        EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true',
        MINIMUM_DRAIN_DURATION: '0s',
      },
      proxyPort: Number(meshConfig.proxyHttpPort ?? 0),
      domain: DOMAIN,
      publish: gateway ? publicationOf(this.#published(desired)) : undefined,
      outside: { address: `${this.#slot.pool.podPrefix}${OUTSIDE_ADDRESS}`, published: options.publishAddress },
      outsideHosts: () => this.#outsideHosts(),
      links: serviceLinks(
        services,
        () => addresses.sidecar,
        (port) => podPort(port, privileged),
      ),
      outer: options.env,
      external,
      onChange: () => this.#podChanged(key),
    };
  }

  #published(desired: DesiredPod): PublishedPort[] {
    return publishedPorts(this.#view.list('Service'), desired, this.options.publishAddress);
  }

  #podChanged(key: string): void {
    const pod = this.#pods.get(key) ?? this.#runs.get(key);
    if (pod === undefined) return;
    this.#reports.tell(pod);
    const { message } = pod;
    if (pod.ready && !this.#announced.has(pod)) {
      this.#announced.add(pod);
      this.options.onEvent({ kind: 'step', text: `${key} is ready` });
    }
    if (message === undefined) this.#reported.delete(key);
    else if (pod.settled && !pod.terminating && this.#reported.get(key) !== message) {
      this.#reported.set(key, message);
      this.#report(`${key}: ${message}`);
    }
    if (pod.settled) this.#configuration.look();
    this.#reconcileSoon();
    this.#wake();
  }

  /** Takes a pod out of service and ends it: first nobody is sent to it any more, then it stops. */
  async #remove(key: string, pod: Pod): Promise<void> {
    const stopped = this.#drainAndStop(pod);
    await stopped;
    this.#pods.delete(key);
    this.#runs.delete(key);
    this.#slot.pool.release(key);
    await this.#reports.tell(pod, true).catch(() => {});
    this.#reconcileSoon();
    this.#wake();
  }

  async #drainAndStop(pod: Pod): Promise<void> {
    pod.beginTermination();
    try {
      const snapshot = await this.#reports.tell(pod);
      if (!this.#stopping && snapshot > 0) await this.control.wait(snapshot, DRAIN_WAIT_MS);
    } catch {
      // Without a control plane nobody can be told.
    }
    await pod.stop();
  }

  /** Ends a pod; what wants it makes another one. */
  async restart(key: string): Promise<boolean> {
    const pod = this.#pods.get(key);
    if (pod === undefined || pod.terminating) return false;
    await this.#remove(key, pod);
    return true;
  }

  /** Adds a workload whose program somebody else runs. */
  addRun(desired: DesiredPod): Pod {
    const key = podKey(desired);
    if (this.#pods.has(key) || this.#runs.has(key)) throw new UserError(`there is a pod ${key} already`);
    const pod = new Pod(desired, 'sidecar', this.#surroundings(key, desired, false, true));
    this.#runs.set(key, pod);
    this.#reports.tell(pod).catch(() => {});
    void pod.start();
    return pod;
  }

  async removeRun(pod: Pod): Promise<void> {
    const key = podKey(pod.desired);
    if (this.#runs.get(key) === pod && !pod.terminating) await this.#remove(key, pod);
  }

  *#allPods(): Generator<Pod> {
    yield* this.#pods.values();
    yield* this.#runs.values();
  }

  get pods(): readonly Pod[] {
    return [...this.#allPods()].sort((a, b) => (podKey(a.desired) < podKey(b.desired) ? -1 : 1));
  }

  get discoveryStatus(): ProcessStatus {
    return this.#discovery.status;
  }

  /** Of the control plane. */
  get namespace(): string {
    return this.#installation.namespace;
  }

  get view(): ObjectView {
    return this.#view;
  }

  /** Where gateways can be reached from outside. */
  get publishedPorts(): PublishedPort[] {
    const gateways = desiredPods(this.#view).filter((desired) => this.#injection(desired) === 'gateway');
    const all = gateways.flatMap((desired) => this.#published(desired));
    return [...new Map(all.map((port) => [`${port.address}:${port.published}`, port])).values()];
  }

  /** What can be typed to reach the gateways, and for which hosts. */
  get publishedUrls(): PublishedUrl[] {
    return publishedUrls(this.#view, this.publishedPorts);
  }

  /** Hosts that gateways serve where they are usually published, by their whole names. */
  #outsideHosts(): string[] {
    const urls = this.publishedUrls.filter(({ url }) => url.includes(`${this.options.publishAddress}:`));
    return urls.flatMap(({ hosts }) => hosts).filter((host) => !host.includes('*'));
  }

  #injection(desired: DesiredPod): Injection {
    return injectionOf(desired, this.#view.get('Namespace', '', desired.namespace)?.metadata.labels ?? {});
  }

  /** Resolves when every pod has come as far as it will, and every proxy has what the configuration says. */
  async whenSettled(): Promise<void> {
    while (!this.#stopping && !this.#hasSettled) await this.#changed();
    await this.#reports.done();
    const { snapshot } = await this.control.state();
    await this.control.wait(snapshot, 5000);
    this.#configuration.look();
    await this.#configuration.done();
  }

  get #hasSettled(): boolean {
    if (!this.#connected || this.#scheduled || this.#pods.size < desiredPods(this.#view).length) return false;
    return this.pods.every((pod) => pod.settled && !pod.terminating);
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Ends everything. May be called more than once. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#unwatch?.();
    this.#configuration.close();
    this.#wake();
    await Promise.all([...this.#allPods()].map((pod) => pod.stop()));
    await this.#discovery.stop();
    this.#guard.close();
    this.#slot.release();
    this.folder.finish();
  }
}
