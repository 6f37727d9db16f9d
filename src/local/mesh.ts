import fs from 'node:fs';
import path from 'node:path';
import { messageOf, UserError } from '../base/errors.ts';
import { LOCAL_TOKEN_ISSUER, TokenIssuer } from '../ca/tokens/token-issuer.ts';
import { ControlClient } from '../config/control/client.ts';
import type { Capture, PublishedUrl } from '../config/control/mesh-api.ts';
import type { MeshConfig } from '../config/kinds/mesh-config/schema.ts';
import { formatMessage } from '../config/message.ts';
import { podPrefixOf } from '../process/address-pool.ts';
import { Guard } from '../process/guard.ts';
import type { ProcessStatus } from '../process/managed-process.ts';
import { chooseCapture } from './capture/choose.ts';
import { MeshNetwork } from './capture/mesh-network.ts';
import { MeshCertificates } from './certificates/mesh-certificates.ts';
import { ConfigurationReports } from './configuration-reports.ts';
import { ControlPlaneProcess } from './control-plane-process.ts';
import { type Installation, installationOf } from './install.ts';
import { MeshFolder, type MeshRecord } from './mesh-folder.ts';
import type { MeshOptions } from './mesh-options.ts';
import { writeCaFiles, writeServerFiles } from './object-values.ts';
import { ObjectView } from './object-view.ts';
import { PodReports } from './pod-reports.ts';
import { PodSet } from './pod-set.ts';
import type { DesiredPod, PodOwner } from './pods/desired-pod.ts';
import type { Pod } from './pods/pod.ts';
import { checkPorts, readInput } from './preflight.ts';
import type { PublishedPort } from './publication.ts';
import { publishedUrls } from './published-urls.ts';
import { controlPlaneObjects } from './runtime-objects.ts';
import { mayUseLowPorts, type Slot, takeSlot } from './slot.ts';
import { type MeshParts, publishedByAll, surroundingsOf } from './surroundings.ts';

/** What a mesh is made of beside its configuration. */
interface LocalParts {
  readonly slot: Slot;
  readonly network: MeshNetwork | undefined;
  readonly tokens: TokenIssuer;
  readonly privileged: boolean;
  /** Whether an authority was plugged in, and whether the control plane has a certificate that it did not issue. */
  readonly plugged: boolean;
  readonly ownCertificate: boolean;
}

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
  'GatewayHost',
  'Route',
  'Ingress',
  'IngressClass',
  'IstioOperator',
] as const;

const DOMAIN = 'cluster.local';
/** Not 8080, as istiod has it: a program could not listen there on all addresses of the machine. */
const PORTS = { grpc: 15010, secureGrpc: 15012, http: 15080, monitoring: 15014 };
const RECONNECT_MS = 100;

/** A mesh of processes on this machine, made of a folder of YAML and kept as the YAML says. */
export class LocalMesh {
  readonly options: MeshOptions;
  readonly folder: MeshFolder;
  readonly startedAt = Date.now();
  readonly record: MeshRecord;
  readonly control: ControlClient;
  readonly #slot: Slot;
  readonly #network: MeshNetwork | undefined;
  readonly #guard = new Guard();
  readonly #parts: MeshParts;
  readonly #discovery: ControlPlaneProcess;
  readonly #reports: PodReports;
  readonly #configuration: ConfigurationReports;
  readonly #view = new ObjectView();
  readonly #pods: PodSet;
  /** Folder with the files of the authority. */
  readonly #authority: string;
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

  private constructor(options: MeshOptions, folder: MeshFolder, installation: Installation, parts: LocalParts) {
    this.options = options;
    this.folder = folder;
    this.#installation = installation;
    const { slot, network, plugged, ownCertificate, tokens, privileged } = parts;
    this.#slot = slot;
    this.#network = network;
    const own = installation.pilotEnv.EXTERNAL_CA ? 'upstream' : 'ca';
    this.#authority = plugged ? folder.cacerts : path.join(folder.state, own);
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
    const { isthmus, directory, env, publishAddress } = options;
    const { discovery } = this.record;
    this.#discovery = new ControlPlaneProcess(
      { isthmus, directory, folder, addresses: discovery, domain: DOMAIN, installation, plugged, ownCertificate, env },
      this.#guard,
      () => this.#wake(),
    );
    this.#parts = {
      ...{ directory, folder, slot, network, guard: this.#guard, tokens, privileged, publishAddress, isthmus, env },
      capture: options.capture,
      view: this.#view,
      discovery,
      domain: DOMAIN,
      trustDomain: this.#trustDomain,
      rootCertificate: path.join(this.#authority, 'root-cert.pem'),
      installation: () => this.#installation,
      publishedPorts: () => this.#gatewayPorts(),
      publishedUrls: () => this.publishedUrls,
    };
    this.#pods = new PodSet({
      view: this.#view,
      reports: this.#reports,
      control: this.control,
      surroundings: (key, pod) => surroundingsOf(this.#parts, key, pod, () => this.#podChanged(key)),
      onGone: (key) => {
        this.#slot.pool.release(key);
        this.#reconcileSoon();
        this.#wake();
      },
    });
  }

  /** Starts everything, and returns while pods are still on their way. Throws a UserError if there is nothing to start. */
  static async start(asked: MeshOptions): Promise<LocalMesh> {
    const options = { ...asked, capture: await chooseCapture(asked.capture) };
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
    const slot = await takeSlot(options.capture === 'netns' ? 'netns' : 'loopback');
    let network: MeshNetwork | undefined;
    let mesh: LocalMesh | undefined;
    try {
      if (options.capture === 'netns')
        network = await MeshNetwork.open(slot.number, folder.name, installation.pilotEnv.ISTIO_DUAL_STACK === 'true');
      folder.prepare();
      const tokens = await TokenIssuer.open(path.join(folder.state, 'tokens'), { issuer: LOCAL_TOKEN_ISSUER });
      const privileged = await mayUseLowPorts(`${podPrefixOf('loopback', slot.number)}255.253`);
      const plugged = writeCaFiles(input, installation.namespace, folder.cacerts);
      const ownCertificate = writeServerFiles(input, installation.namespace, folder.serverCertificate);
      const parts = { slot, network, tokens, privileged, plugged, ownCertificate };
      mesh = new LocalMesh(options, folder, installation, parts);
      await mesh.#openCertificates(plugged);
      await mesh.#begin();
      return mesh;
    } catch (error) {
      if (mesh) {
        await mesh.stop();
        throw error;
      }
      await network?.close();
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
          .map(({ desired: { name, namespace: ns }, endpoints }) => ({ workload: `${name}.${ns}`, ...endpoints })),
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
    if (this.#network) await this.#openNetwork(this.#network, pod);
    if (this.options.capture === 'userns')
      this.options.onEvent({ kind: 'step', text: 'pods have networks of their own, with their sidecars outside' });
    await this.#discovery.start(this.control);
    this.options.onEvent({ kind: 'step', text: `discovery at ${this.record.discovery.secureGrpc}` });
    this.#watch();
    this.#configuration.start();
  }

  async #openNetwork(network: MeshNetwork, discovery: string): Promise<void> {
    await network.addAddress(discovery);
    const { leftovers, range, bridge, outward } = network;
    const tell = (text: string) => this.options.onEvent({ kind: 'step', text });
    if (leftovers > 0) tell(`removed ${leftovers} interfaces and namespaces of meshes that were killed`);
    const outside = outward ? '' : '; they reach this machine and no other, since net.ipv4.ip_forward is 0';
    tell(`pods have networks of their own in ${range}, on ${bridge}${outside}`);
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
          for (const pod of this.pods) this.#reports.tell(pod).catch(() => {});
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
    const names = ['Gateway', 'GatewayHost', 'Route', 'Ingress', 'IngressClass', 'Service', 'Deployment'];
    if (kinds.has('Secret') || kinds.has('ConfigMap') || names.some((kind) => kinds.has(kind))) {
      for (const pod of this.pods) pod.objectsChanged();
    }
    if (kinds.has('Secret')) writeServerFiles(this.#view, this.#installation.namespace, this.folder.serverCertificate);
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
      if (!this.#stopping && this.#connected) this.#pods.reconcile();
      this.#wake();
    });
  }

  #podChanged(key: string): void {
    const pod = this.#pods.get(key);
    if (pod === undefined) return;
    this.#reports.tell(pod).catch(() => {});
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

  /** Ends a pod; what wants it makes another one. */
  restart(key: string): Promise<boolean> {
    return this.#pods.restart(key);
  }

  /**
   * Makes the pods of a workload anew, as `kubectl rollout restart` does, and resolves when the old ones have gone: of a
   * Deployment, once the new ones are ready. False for a workload without pods. Throws a UserError if the new ones fail.
   */
  async rollOut(namespace: string, owner: PodOwner): Promise<boolean> {
    const progress = this.#pods.rollOut(namespace, owner);
    if (progress === undefined) return false;
    this.#reconcileSoon();
    for (;;) {
      await this.#changed();
      const state = progress();
      if (state === 'done' || this.#stopping) return true;
      if (state !== 'under way')
        throw new UserError(`the new pods of ${namespace}/${owner.name} are not ready: ${state.failed}`);
    }
  }

  /** Adds a workload whose program somebody else runs. */
  addRun(desired: DesiredPod, capture?: Capture): Pod {
    return this.#pods.addRun(desired, capture);
  }

  removeRun(pod: Pod): Promise<void> {
    return this.#pods.removeRun(pod);
  }

  get pods(): readonly Pod[] {
    return this.#pods.all;
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
    return [...new Map(this.#gatewayPorts().map((port) => [`${port.address}:${port.published}`, port])).values()];
  }

  #gatewayPorts(): PublishedPort[] {
    return publishedByAll(this.#parts, (desired) => this.#pods.injection(desired));
  }

  /** What can be typed to reach the gateways, and for which hosts. */
  get publishedUrls(): PublishedUrl[] {
    return publishedUrls(this.#view, this.publishedPorts, this.#installation.meshConfig as MeshConfig);
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
    return this.#connected && !this.#scheduled && this.#pods.settled;
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
    await this.#pods.stop();
    await this.#discovery.stop();
    this.#guard.close();
    await this.#network?.close();
    this.#slot.release();
    this.folder.finish();
  }
}
