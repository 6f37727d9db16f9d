import fs from 'node:fs';
import path from 'node:path';
import { type Publication, podPort } from '../../agent/pod-network.ts';
import { messageOf } from '../../base/errors.ts';
import type { Container } from '../../config/kinds/shared/pod-spec.ts';
import type { PodAddresses } from '../../process/address-pool.ts';
import { within } from '../../process/within.ts';
import { PROXY_PORTS } from '../proxy-ports.ts';
import { RunningContainer } from './container.ts';
import { type DesiredPod, graceMsOf } from './desired-pod.ts';
import { enrouteContainer, roleOf, type StandIn, standInsOf } from './enroute.ts';
import { containerEnvironment, expand, MissingObject, type PodFacts } from './environment.ts';
import { ExternalProgram } from './external-program.ts';
import { imageOnly } from './image-only.ts';
import { type Injection, PROXY_CONTAINER } from './injection.ts';
import { writePodFiles } from './pod-files.ts';
import { PodFolder } from './pod-folder.ts';
import {
  type ContainerView,
  hasFailed,
  type Phase,
  type PodFindings,
  phaseOf,
  statusMessage,
  statusWord,
  viewOf,
} from './pod-state.ts';
import type { PodSurroundings } from './pod-surroundings.ts';
import type { ProbeTarget } from './probe.ts';
import { programEnvironment } from './program-environment.ts';
import { programTarget } from './program-target.ts';
import { agentArguments, agentEnvironment, programsOf, proxyContainer } from './sidecar.ts';
import { judgedByAddress, NOT_JUDGED } from './wrong-address.ts';

/** A pod at work: its folder, its sidecar, its programs. */
export class Pod {
  readonly desired: DesiredPod;
  readonly injection: Injection;
  readonly uid = crypto.randomUUID();
  readonly createdAt = Date.now();
  readonly #around: PodSurroundings;
  readonly #folder: PodFolder;
  #proxy: RunningContainer | undefined = undefined;
  #init: RunningContainer[] = [];
  #programs: RunningContainer[] = [];
  /** Containers whose work the control plane does. */
  readonly #standIns: readonly StandIn[];
  readonly #external: ExternalProgram | undefined;
  /** Why the pod does not get on, in Kubernetes' word and in a sentence. */
  #trouble: { readonly word: string; readonly message: string } | undefined = undefined;
  #stopping = false;
  #proxyRestarts = 0;
  #tokenTimer: NodeJS.Timeout | undefined = undefined;
  /** Wakes who waits for an object that was missing. */
  #retry: (() => void) | undefined = undefined;
  #watchers: (() => void)[] = [];

  constructor(desired: DesiredPod, injection: Injection, around: PodSurroundings) {
    this.desired = desired;
    this.injection = injection;
    this.#around = around;
    this.#folder = new PodFolder(around.folder, around.claims);
    this.#external = around.external ? new ExternalProgram(() => this.#changed()) : undefined;
    this.#standIns = standInsOf(desired, around.logs, () => this.#programs);
  }

  get addresses(): PodAddresses {
    return this.#around.addresses;
  }

  /** Its address of IPv6, where it has one. */
  get ipv6(): string | undefined {
    return this.#around.space.ipv6;
  }

  get folder(): string {
    return this.#folder.path;
  }

  get terminating(): boolean {
    return this.#stopping;
  }

  get serviceAccount(): string {
    const { serviceAccountName, serviceAccount } = this.desired.spec;
    return serviceAccountName || serviceAccount || 'default';
  }

  get publish(): Publication | undefined {
    return this.#around.publish;
  }

  /** Where its programs listen. */
  get programAddress(): string {
    const { pod, program } = this.#around.addresses;
    return this.injection === 'none' || this.#around.space.isOwn ? pod : program;
  }

  /** Words before a command that lead to where its programs run. */
  get enter(): readonly string[] {
    return this.#around.space.enterProgram;
  }

  /** Where its proxy and its agent are asked, `IP:PORT`. */
  get endpoints(): { readonly admin: string; readonly status: string } {
    const { addresses, space } = this.#around;
    const status = space.hasProxy ? addresses.sidecar : addresses.pod;
    return { admin: `${addresses.sidecar}:${PROXY_PORTS.admin}`, status: `${status}:${PROXY_PORTS.status}` };
  }

  get containers(): ContainerView[] {
    return [
      ...this.#init.map((c) => viewOf(c, true)),
      ...this.#standIns.map((c) => viewOf(c, false)),
      ...this.#programs.map((c) => viewOf(c, false)),
      ...(this.#proxy ? [viewOf(this.#proxy, false)] : []),
    ];
  }

  /** How many containers it has when all of them run. */
  get size(): number {
    const programs = this.#external ? 1 : this.#programSpecs.length + this.#standIns.length;
    return programs + (this.injection === 'none' ? 0 : 1);
  }

  get readyCount(): number {
    const proxy = this.#proxy ? [this.#proxy] : [];
    const external = this.#external ? [this.#external] : [];
    return [...this.#standIns, ...this.#programs, ...external, ...proxy].filter((c) => c.ready).length;
  }

  get ready(): boolean {
    return !this.#stopping && this.readyCount === this.size;
  }

  /** It has come as far as it will by itself: ready, run to its end, or in trouble. */
  get settled(): boolean {
    const { phase, containers } = this;
    return this.ready || phase === 'Succeeded' || this.#trouble !== undefined || containers.some(hasFailed);
  }

  get phase(): Phase {
    const states = this.#programs.map((c) => c.status.state);
    const phase = phaseOf(states, this.#programSpecs.length);
    if (phase !== undefined) return phase;
    if (this.#external) return this.#external.ready ? 'Running' : 'Pending';
    return this.#proxy && this.#programSpecs.length === 0 ? 'Running' : 'Pending';
  }

  get #findings(): PodFindings {
    const { containers, phase } = this;
    return { containers, phase, inits: this.#initSpecs.length, terminating: this.#stopping, trouble: this.#trouble };
  }

  /** What kubectl would print under STATUS. */
  get word(): string {
    return statusWord(this.#findings);
  }

  /** Why it is not as it should be, in a sentence. */
  get message(): string | undefined {
    return statusMessage(this.#findings);
  }

  get restarts(): number {
    return this.containers.reduce((sum, { restarts }) => sum + restarts, 0);
  }

  /** Those that run here. */
  get #programSpecs(): readonly Container[] {
    return programsOf(this.desired.spec).filter((container) => !this.#runsElsewhere(container));
  }

  get #initSpecs(): readonly Container[] {
    return (this.desired.spec.initContainers ?? []).filter((container) => !this.#runsElsewhere(container));
  }

  #roleOf(container: Container) {
    return roleOf(this.desired, container);
  }

  #runsElsewhere(container: Container): boolean {
    const role = this.#roleOf(container);
    return role === 'control-plane' || role === 'counters';
  }

  get #facts(): PodFacts {
    return {
      pod: this.desired,
      uid: this.uid,
      podIp: this.#around.addresses.pod,
      podIpv6: this.ipv6,
      serviceAccount: this.serviceAccount,
    };
  }

  /** Starts it: volumes, then the sidecar and the init containers, and the programs once both are ready. */
  async start(): Promise<void> {
    try {
      const bare = this.#external
        ? undefined
        : [...this.#initSpecs, ...this.#programSpecs].find((c) => !c.command?.length && !this.#roleOf(c));
      if (bare) {
        this.#inTrouble('ErrImageOnly', imageOnly(bare));
        return;
      }
      fs.mkdirSync(this.#around.logs, { recursive: true, mode: 0o700 });
      await this.#whenPossible('ContainerCreating', () => this.#writeFiles());
      if (this.#stopping) return;
      await this.#around.space.open();
      if (this.#stopping) return;
      if (this.injection !== 'none') this.#startProxy();
      for (const spec of this.#initSpecs) {
        if (!(await this.#runInit(spec))) return;
      }
      await this.#until(() => this.#stopping || this.#proxy === undefined || this.#proxy.ready);
      if (this.#stopping || this.#external) return;
      for (const spec of this.#programSpecs) {
        const container = await this.#whenPossible('CreateContainerConfigError', () => this.#container(spec));
        if (this.#stopping || container === undefined) return;
        this.#programs.push(container);
        container.start();
      }
      this.#changed();
    } catch (error) {
      this.#inTrouble('Error', messageOf(error));
    }
  }

  /** Resolves once its sidecar is ready, so that the programs may start; false if the pod ends before. */
  async whenProxyReady(): Promise<boolean> {
    await this.#until(() => this.#stopping || this.#proxy?.ready === true);
    return !this.#stopping;
  }

  /** Whoever starts its programs has done so. */
  programStarted(): void {
    const [spec] = this.#programSpecs;
    if (spec) this.#external?.started(spec.ports, this.#target(spec, {}, this.folder));
  }

  /** An object that it uses may have changed: volumes follow, and what waited for it goes on. */
  objectsChanged(): void {
    if (this.#retry) {
      this.#retry();
      return;
    }
    if (this.#stopping || this.#trouble) return;
    this.#writeFiles().catch((error: unknown) => {
      // What is mounted stays as it was while an object is away, as with Kubernetes.
      if (!(error instanceof MissingObject)) this.#inTrouble('Error', messageOf(error));
    });
  }

  /** It is to end: nobody should be sent to it any more. */
  beginTermination(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    clearTimeout(this.#tokenTimer);
    this.#retry?.();
    this.#changed();
  }

  /** Ends the programs, then the sidecar, and removes the folder. */
  async stop(): Promise<void> {
    this.beginTermination();
    this.#external?.stop();
    await Promise.all([...this.#init, ...this.#programs].map((c) => c.stop()));
    await this.#proxy?.stop();
    await this.#around.space.close();
    this.#folder.remove();
  }

  /** How a command is run in it: what its programs have in their environment, and where they start. */
  environment(containerName: string | undefined): { readonly env: Record<string, string>; readonly cwd: string } {
    const all = [...this.#programs, ...this.#init];
    const found = containerName === undefined ? all[0] : all.find((c) => c.name === containerName);
    if (found) return { env: { ...found.target.env }, cwd: found.target.cwd };
    return { env: this.baseEnvironment(undefined), cwd: this.folder };
  }

  /** What every program of the pod has in its environment, whatever its container says. */
  baseEnvironment(port: number | undefined): Record<string, string> {
    const { addresses, space, proxyPort, privileged, outer, links } = this.#around;
    const env = programEnvironment(outer, this.desired.name, {
      address: space.isOwn ? '0.0.0.0' : this.programAddress,
      port: port === undefined || space.isOwn ? port : podPort(port, privileged),
      proxy:
        this.injection === 'sidecar' && proxyPort > 0 && !space.captures
          ? { address: addresses.sidecar, port: proxyPort }
          : undefined,
      direct: Object.values(addresses),
    });
    return { ...env, ...links, ISTHMUS_POD_ROOT: this.folder };
  }

  #inTrouble(word: string, message: string): void {
    this.#trouble = { word, message };
    this.#changed();
  }

  /** Does something that needs objects, again each time that objects change. */
  async #whenPossible<T>(word: string, work: () => T | Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        const result = await work();
        if (this.#trouble !== undefined) {
          this.#trouble = undefined;
          this.#changed();
        }
        return result;
      } catch (error) {
        if (!(error instanceof MissingObject)) throw error;
        this.#inTrouble(word, error.message);
        await new Promise<void>((resolve) => (this.#retry = resolve));
        this.#retry = undefined;
        if (this.#stopping) return undefined;
      }
    }
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  #changed(): void {
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const wake of watchers) wake();
    this.#around.onChange();
    if (this.phase === 'Succeeded' || this.phase === 'Failed') void this.#endJob();
  }

  /** A sidecar does not outlive programs that have run to their end. */
  async #endJob(): Promise<void> {
    if (this.desired.spec.restartPolicy !== undefined && this.desired.spec.restartPolicy !== 'Always') {
      await this.#proxy?.stop();
    }
  }

  async #writeFiles(): Promise<void> {
    this.#renewTokens(await writePodFiles(this.#folder, this.#facts, this.#around));
  }

  /** As the kubelet does: when four fifths of the shortest life are over. */
  #renewTokens(seconds: number): void {
    clearTimeout(this.#tokenTimer);
    this.#tokenTimer = setTimeout(() => this.objectsChanged(), Math.max(60, seconds * 0.8) * 1000);
    this.#tokenTimer.unref();
  }

  #startProxy(): void {
    const { guard, addresses, space, privileged, agent, logs } = this.#around;
    const env = agentEnvironment(this.#facts, this.injection, this.#around);
    const cwd = this.folder;
    this.#proxy = new RunningContainer({
      process: {
        ...within(space.enterProxy, agent.command, agentArguments(this.#facts, this.injection, this.#around)),
        env,
        cwd,
        logFile: path.join(logs, `${PROXY_CONTAINER}.log`),
        restart: 'always',
        graceMs: graceMsOf(this.desired),
      },
      target: {
        address: addresses.pod,
        container: proxyContainer(this.desired.annotations),
        env,
        cwd,
        enter: [],
        port: (port) => podPort(port, privileged),
      },
      guard,
      onChange: () => this.#proxyChanged(),
      ...NOT_JUDGED,
    });
    this.#proxy.start();
  }

  #proxyChanged(): void {
    const { restarts = 0 } = this.#proxy?.status ?? {};
    // An agent that makes the network of the programs has made another one.
    if (this.#around.space.inside && this.#proxy?.ready && restarts > this.#proxyRestarts) {
      this.#proxyRestarts = restarts;
      for (const program of this.#programs) program.restart('its sidecar has made its network anew');
    }
    this.#changed();
  }

  #container(container: Container, restart: 'always' | 'on-failure' | 'never' = this.#restart): RunningContainer {
    const { guard, space, values, logs } = this.#around;
    const role = this.#roleOf(container);
    if (role === 'envoy' || role === 'cert-server') {
      return enrouteContainer(role, container, {
        ...{ facts: this.#facts, injection: this.injection, around: this.#around },
        ...{ cwd: this.folder, graceMs: graceMsOf(this.desired), onChange: () => this.#changed() },
      });
    }
    const base = this.baseEnvironment(container.ports?.[0]?.containerPort);
    const env = containerEnvironment(container, base, this.#facts, values);
    const [command = '', ...rest] = [...(container.command ?? []), ...(container.args ?? [])].map((t) =>
      expand(t, env),
    );
    const cwd = this.#folder.workingFolder(container.workingDir, this.#around.home);
    const logFile = path.join(logs, `${container.name}.log`);
    const where = `${this.programAddress}${env.PORT ? `:${env.PORT}` : ''} ($HOST${env.PORT ? ':$PORT' : ''})`;
    return new RunningContainer({
      process: {
        ...within(this.enter, command, rest),
        env,
        cwd,
        logFile,
        restart,
        graceMs: graceMsOf(this.desired),
      },
      target: this.#target(container, env, cwd),
      guard,
      onChange: () => this.#changed(),
      ...(space.isOwn ? NOT_JUDGED : judgedByAddress(where, logFile)),
    });
  }

  #target(container: Container, env: Readonly<Record<string, string>>, cwd: string): ProbeTarget {
    const { space, privileged } = this.#around;
    const { annotations } = this.desired;
    const proxyPid = () => this.#proxy?.status.pid;
    const where = { address: this.programAddress, container, env, cwd };
    return programTarget(where, space, { privileged, annotations, proxyPid });
  }

  get #restart(): 'always' | 'on-failure' | 'never' {
    const { restartPolicy } = this.desired.spec;
    return restartPolicy === 'Never' ? 'never' : restartPolicy === 'OnFailure' ? 'on-failure' : 'always';
  }

  /** Whether an init container has done its work. One that fails is started again, unless the pod says never. */
  async #runInit(spec: Container): Promise<boolean> {
    const restart = this.desired.spec.restartPolicy === 'Never' ? 'never' : 'on-failure';
    const container = await this.#whenPossible('CreateContainerConfigError', () => this.#container(spec, restart));
    if (container === undefined || this.#stopping) return false;
    this.#init.push(container);
    container.start();
    await this.#until(
      () => this.#stopping || container.status.state === 'Completed' || container.status.state === 'Error',
    );
    return !this.#stopping && container.status.state === 'Completed';
  }
}
