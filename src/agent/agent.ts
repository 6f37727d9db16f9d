import { type Clock, systemClock } from '../base/clock.ts';
import { messageOf, UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { overdueReason } from '../ca/client/overdue.ts';
import type { WorkloadSource } from '../ca/client/state.ts';
import { WORKLOAD_CERTIFICATE, WORKLOAD_ROOTS } from '../ca/content/workload-secrets.ts';
import { type Discovery, discoveryOf } from './bootstrap/discovery.ts';
import { openCertificates } from './certificates/open.ts';
import type { DataPlane, DataPlaneEnd } from './data-plane/data-plane.ts';
import { openDataPlane } from './data-plane/open.ts';
import type { GrpcListener } from './grpc-listener.ts';
import { AgentNetwork } from './network.ts';
import type { AgentOptions } from './options.ts';
import { Paths } from './paths.ts';
import { Secrets } from './sds/secrets.ts';
import { AgentMetrics } from './status/metrics.ts';
import { StatusServer } from './status/server.ts';
import { terminate } from './terminate.ts';

const SDS_DIR = './var/run/secrets/workload-spiffe-uds';

/**
 * The part of a mesh beside each proxy: gets certificates and hands them out, starts the proxy with a bootstrap, says
 * when it is ready, and ends it gracefully.
 */
export class Agent {
  readonly metrics = new AgentMetrics();
  readonly #options: AgentOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #paths: Paths;
  readonly #network: AgentNetwork;
  readonly #discovery: Discovery;
  readonly #begun: number;
  readonly #status: StatusServer;
  #certificates: WorkloadSource | undefined;
  #secrets: Secrets | undefined;
  #listener: GrpcListener | undefined;
  #proxy: DataPlane | undefined;
  readonly #services: (() => void)[] = [];
  #ending: 'gracefully' | 'now' | undefined;
  #interrupt: () => void = () => {};
  /** Settles when the agent is told to end. */
  readonly #interrupted = new Promise<void>((resolve) => (this.#interrupt = resolve));
  #finish: (exitCode: number) => void = () => {};
  /** Settles with the exit code when everything has ended. */
  readonly ended = new Promise<number>((resolve) => (this.#finish = resolve));

  private constructor(options: AgentOptions, network: AgentNetwork) {
    const { proxyConfig, logging, clock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    this.#log = logging.scope('default');
    this.#paths = new Paths(options.dir);
    this.#network = network;
    this.#discovery = this.#serverAt(proxyConfig.discoveryAddress, 'discoveryAddress');
    this.#begun = clock.now();
    this.#status = this.#statusServer();
    this.metrics.set('istio_build', 1, options.version);
    this.metrics.collect(() => this.#noteExpiry());
  }

  /**
   * Starts an agent. Settles when its status server listens; the rest follows, and is over when {@link ended} settles.
   * Throws a UserError for what can be known to be wrong at once.
   */
  static async start(options: AgentOptions): Promise<Agent> {
    let agent: Agent | undefined;
    const log = options.logging.scope('default');
    const network = await AgentNetwork.open(options.environment, {
      onEnd: (why) => agent?.abort(`the network of the programs is gone: ${why}`),
      onProblem: (problem) => log.warn(problem),
    });
    agent = new Agent(options, network);
    for (const warning of options.environment.warnings) agent.#log.warn(warning);
    await agent.#status.listen(agent.#network.statusAddresses(options.proxyConfig.statusPort));
    await agent.#openRelays();
    void agent.#run();
    return agent;
  }

  /** The port that the status server listens on. */
  get statusPort(): number {
    return this.#status.port;
  }

  /** The proxy, once it has been started. */
  get proxy(): DataPlane | undefined {
    return this.#proxy;
  }

  /** Drains the proxy and ends. Does nothing if that is under way. */
  shutdown(reason: string): void {
    if (this.#ending) return;
    this.#log.info(`${reason}: shutting down`);
    this.#ending = 'gracefully';
    this.#interrupt();
  }

  /** Ends at once. */
  abort(reason: string): void {
    if (this.#ending === 'now') return;
    this.#log.warn(`${reason}: ending at once`);
    this.#ending = 'now';
    this.#interrupt();
    void this.#proxy?.stop();
  }

  #serverAt(address: string, what: string): Discovery {
    const { proxyConfig, environment } = this.#options;
    return discoveryOf(address, what, proxyConfig.controlPlaneAuthPolicy, environment.istiodSan);
  }

  async #run(): Promise<void> {
    let exitCode = 0;
    try {
      await this.#openSecrets();
      await Promise.race([this.#firstCertificate(), this.#interrupted]);
      const end = this.#ending ? undefined : await this.#runProxy();
      if (end) {
        exitCode = end.exitCode;
        this.#log[exitCode === 0 ? 'info' : 'error'](end.reason);
      }
    } catch (error) {
      exitCode = error instanceof UserError ? error.exitCode : 1;
      this.#log.error(messageOf(error));
    }
    await this.#close();
    this.#log.info('Agent has successfully terminated');
    this.#finish(exitCode);
  }

  /** Runs the proxy until it ends or the agent is told to; undefined in the latter case. */
  async #runProxy(): Promise<DataPlaneEnd | undefined> {
    const { role, environment, proxyConfig } = this.#options;
    if (environment.disableEnvoy) {
      await this.#interrupted;
      return undefined;
    }
    const proxy = await openDataPlane({
      ...this.#options,
      paths: this.#paths,
      network: this.#network,
      discovery: this.#discovery,
      statusPort: this.#status.port,
      secrets: this.#secrets,
      sdsSocket: `${SDS_DIR}/${environment.workloadIdentitySocket ?? environment.ownSocket}`,
      clock: this.#clock,
    });
    this.#proxy = proxy;
    await proxy.start();
    await this.#openServices();
    const end = await Promise.race([proxy.ended, this.#interrupted]);
    if (end) return end;
    if (this.#ending === 'gracefully') {
      await terminate({
        proxy,
        inboundOnly: role === 'sidecar',
        drainMs: proxyConfig.terminationDrainDuration,
        limitMs: environment.drainLimitMs,
        untilIdle: environment.exitOnZeroActiveConnections ? { minimumMs: environment.minimumDrainMs } : undefined,
        log: this.#log,
        clock: this.#clock,
      });
    }
    await proxy.stop();
    return undefined;
  }

  /** What an agent does besides, where it is asked to: watch the program, answer DNS. */
  async #openServices(): Promise<void> {
    const options = {
      ...this.#options,
      discovery: this.#discovery,
      network: this.#network,
      paths: this.#paths,
      certificates: this.#certificates,
      clock: this.#clock,
    };
    if (options.environment.dns) {
      const { openDns } = await import('./dns/open.ts');
      this.#services.push(await openDns(options));
    }
    if (options.proxyConfig.readinessProbe) {
      const { openHealth } = await import('./health/open.ts');
      const close = openHealth(options);
      if (close) this.#services.push(close);
    }
  }

  async #openRelays(): Promise<void> {
    const { relays } = this.#options.environment;
    if (relays.length === 0) return;
    const { openRelays } = await import('./relays.ts');
    this.#services.push(await openRelays(relays, this.#network.localhost(0).host));
  }

  /** Opens what certificates come from, unless somebody else serves them. */
  async #openSecrets(): Promise<void> {
    const { environment, proxyConfig, envoy, random, logging } = this.#options;
    if (environment.workloadIdentitySocket !== undefined) return;
    const { metrics } = this;
    const { resolve, places } = this.#paths;
    const { caAddress, stateDir } = environment;
    const authority = caAddress === undefined ? this.#discovery : this.#serverAt(caAddress, 'CA_ADDR');
    this.#certificates = await openCertificates({
      environment,
      authority: { ...authority, ...this.#network.target(authority) },
      resolve,
      stateDir: stateDir && resolve(stateDir),
      metrics,
      log: logging.scope('ca'),
      clock: this.#clock,
      random,
    });
    this.#secrets = new Secrets({
      source: this.#certificates,
      moreRoots: proxyConfig.caCertificatesPem ?? [],
      places,
      metrics,
      log: logging.scope('sds'),
      clock: this.#clock,
    });
    if (envoy === undefined && !environment.disableEnvoy) return;
    // Our own proxy needs no socket, and should not pay for one.
    const [{ GrpcListener }, { secretDiscoveryMethods }] = await Promise.all([
      import('./grpc-listener.ts'),
      import('./sds/server.ts'),
    ]);
    const methods = secretDiscoveryMethods(this.#secrets, logging.scope('sds'), this.#clock);
    this.#listener = await GrpcListener.open(resolve(`${SDS_DIR}/${environment.ownSocket}`), methods);
  }

  /**
   * Certificates come first: without them a proxy gets no configuration over TLS. In clear it does, and a failed attempt
   * is enough to go on; listeners that need certificates wait for them.
   */
  #firstCertificate(): Promise<void> {
    const source = this.#certificates;
    if (!source) return Promise.resolve();
    const isEnough = () =>
      source.state.certificate !== undefined ||
      (this.#discovery.serverName === undefined && source.state.lastError !== undefined);
    if (isEnough()) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = source.subscribe(() => {
        if (!isEnough()) return;
        stop();
        resolve();
      });
    });
  }

  async #readiness(): Promise<string | undefined> {
    const problem = await this.#problem();
    if (problem === undefined && this.metrics.get('startup_duration_seconds') === undefined)
      this.metrics.set('startup_duration_seconds', (this.#clock.now() - this.#begun) / 1000);
    return problem;
  }

  async #problem(): Promise<string | undefined> {
    if (this.#ending) return 'server is not live, current state is: DRAINING';
    const { environment } = this.#options;
    const state = this.#certificates?.state;
    const isNeeded =
      environment.disableEnvoy ||
      this.#discovery.serverName !== undefined ||
      this.#secrets?.isFollowed(WORKLOAD_CERTIFICATE) ||
      this.#secrets?.isFollowed(WORKLOAD_ROOTS);
    if (state && !state.certificate && isNeeded)
      return `there is no valid certificate${state.lastError ? `: ${state.lastError.message}` : ' yet'}`;
    if (environment.disableEnvoy) return undefined;
    return this.#proxy ? this.#proxy.readiness() : 'the proxy has not been started yet';
  }

  #statusServer(): StatusServer {
    const { environment, logging, role } = this.#options;
    const proxy = () => this.#proxy;
    return new StatusServer({
      readiness: () => this.#readiness(),
      // The answer leaves first: without a proxy to drain, the server that gives it ends at once.
      quit: () => void setImmediate(() => this.shutdown('/quitquitquit was called')),
      drain: async () => this.#proxy?.drain(role === 'sidecar'),
      renew: () => this.#renew(),
      isOwn: (address) => this.#network.isOwn(address),
      debug: new Map([
        ['certificates', () => this.#describeCertificates()],
        ['environment', () => ({ ...environment, certificates: undefined })],
        ['proxyConfig', () => this.#options.proxyConfigJson],
      ]),
      scrape: {
        metrics: this.metrics,
        proxy,
        target: environment.scrapeTarget,
        destination: (port) => this.#network.localhost(port),
      },
      probes: {
        probers: environment.appProbers,
        destination: (port) => this.#network.program(port),
        http2: environment.probeHttp2,
      },
      log: logging.scope('status'),
    });
  }

  #renew(): void {
    if (!this.#certificates?.renew) throw new UserError('the certificates here are renewed by somebody else');
    this.#certificates.renew();
  }

  #describeCertificates(): unknown {
    const state = this.#certificates?.state;
    const { identity, serial, notBefore, notAfter, chain } = state?.certificate ?? {};
    const time = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
    return {
      certificate: state?.certificate && {
        identity,
        serial,
        notBefore: time(notBefore),
        notAfter: time(notAfter),
        chain,
      },
      roots: state?.roots,
      lastRenewal: time(state?.lastRenewal),
      renewalDue: time(state?.renewalDue),
      overdue: state && overdueReason(state, this.#clock.now()),
      output: this.#certificates?.output,
      lastError: state?.lastError && { message: state.lastError.message, at: time(state.lastError.at) },
      missing: this.#secrets?.missing,
    };
  }

  #noteExpiry(): void {
    const certificate = this.#certificates?.state.certificate;
    const name = WORKLOAD_CERTIFICATE;
    if (certificate) this.metrics.set('cert_expiry_seconds', (certificate.notAfter - this.#clock.now()) / 1000, name);
    else this.metrics.remove('cert_expiry_seconds', name);
  }

  async #close(): Promise<void> {
    for (const close of this.#services) close();
    this.#network.close();
    await this.#proxy?.stop();
    this.#listener?.close();
    this.#secrets?.close();
    this.#certificates?.close();
    this.#status.close();
  }
}
