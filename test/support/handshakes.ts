import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import tls from 'node:tls';
import { Certificate, parseCertificates } from '../../src/ca/x509/certificate.ts';
import { verifyChain } from '../../src/ca/x509/chain.ts';
import { meshStatus, type TestedMesh } from './local-mesh.ts';
import { until } from './reference.ts';
import { FRESH_HOST, RELAY_PODS } from './relay-mesh.ts';

/** A full TLS handshake of mutual TLS in the mesh, and what one side of it presented. */
export interface Handshake {
  /** Whose certificate was seen, and in which part: `back as server`, `gateway as client`. */
  readonly who: string;
  /** Milliseconds since 1970 at which it was begun. */
  readonly at: number;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly leaf: string;
}

export type IsNew = (leaf: Certificate) => boolean;

const ANSWER_MS = 30_000;
/** Folder of `OUTPUT_CERTS` within a pod's. */
export const OUTPUT = 'etc/istio-output-certs';
/** The roots that the mesh publishes, which every pod has. */
const BUNDLE = 'var/run/secrets/istio/root-cert.pem';

/** Annotations of a relay mesh's pods by which a prober has a certificate of the mesh: that of the pod `front`. */
export const PROBED_ANNOTATIONS = `{proxy.istio.io/config: '{proxyMetadata: {OUTPUT_CERTS: /${OUTPUT}}}'}`;

/**
 * Shakes hands with the gateway and every sidecar of a relay mesh (`fresh`), one after another without an end: as a
 * client that has a certificate of the mesh, verifies whom it meets and sends a request, and through the mesh, where each
 * hop has to make a connection of its own and the next one tells whose certificate it was shown.
 */
export class HandshakeProber {
  readonly #targets: readonly Target[];
  readonly #url: URL;
  /** Of the pod whose certificate the prober has. */
  readonly #folder: string;
  readonly #pauseMs: number;
  readonly #seen: Handshake[] = [];
  readonly #failures: string[] = [];
  readonly #leaves = new Map<string, Certificate>();
  readonly #loops: Promise<void>[];
  #isOver = false;

  private constructor(targets: readonly Target[], gateway: string, folder: string, pauseMs: number) {
    this.#targets = targets;
    this.#url = new URL(`http://${gateway}/fresh`);
    this.#folder = folder;
    this.#pauseMs = pauseMs;
    this.#loops = [...targets.map((target) => () => this.#meet(target)), () => this.#passThrough()].map((probe) =>
      this.#repeat(probe),
    );
  }

  /** Between two handshakes with one of them `pauseMs` go by. */
  static async start(
    t: { after(fn: () => Promise<void>): void },
    mesh: TestedMesh,
    pauseMs = 50,
  ): Promise<HandshakeProber> {
    const { pods } = await meshStatus(mesh);
    const [ip = '', port = ''] = mesh.gateway(443).split(':');
    const gateway = { name: 'gateway', host: ip, port: Number(port), identity: '/ns/istio-system/', isGateway: true };
    const sidecars = RELAY_PODS.map((name) => {
      const { podIp } = pods.find((pod) => pod.name === name)!;
      return { name, host: podIp, port: 3000, identity: `/ns/default/sa/${name}`, isGateway: false };
    });
    const { folder } = pods.find((pod) => pod.name === 'front')!;
    const prober = new HandshakeProber([gateway, ...sidecars], mesh.gateway(80), folder, pauseMs);
    t.after(() => prober.stop());
    return prober;
  }

  /** In the order in which they were begun, as far as one side of one of them is concerned. */
  get seen(): readonly Handshake[] {
    return this.#seen;
  }

  /** Handshakes, or requests after them, that did not succeed. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** Everyone whose certificate is seen, in each part. */
  get parts(): string[] {
    const names = this.#targets.map(({ name }) => name);
    return [...names.map((name) => `${name} as server`), ...names.slice(0, -1).map((name) => `${name} as client`)];
  }

  /** The certificates that servers have presented so far. */
  get leaves(): readonly Certificate[] {
    return [...this.#leaves.values()];
  }

  certificateOf({ who, leaf }: Handshake): Certificate {
    const certificate = this.#leaves.get(leaf);
    if (certificate === undefined) throw new Error(`${who} presented ${leaf}, which no server has`);
    return certificate;
  }

  /**
   * Waits until everyone has presented a new certificate in each part, and then so many more times again; resolves with
   * the handshakes of that last stretch. Whoever turned first may not turn back: that is for the caller to assert.
   */
  async turnover(isNew: IsNew, more: number): Promise<Handshake[]> {
    const from = this.#seen.length;
    const { parts } = this;
    const isNewOne = (one: Handshake) => this.#leaves.has(one.leaf) && isNew(this.certificateOf(one));
    const turned = await until('everyone presents a new certificate', () => {
      const late = parts.filter((part) => !this.#seen.slice(from).some((one) => one.who === part && isNewOne(one)));
      if (late.length > 0 && this.#failures.length === 0) return undefined;
      return Date.now();
    });
    const since = () => this.#seen.filter(({ at }) => at > turned);
    const enough = () => parts.every((part) => since().filter(({ who }) => who === part).length >= more);
    await until(`${more} more handshakes of each`, () => this.#failures.length > 0 || enough() || undefined, 60_000);
    return since();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
  }

  async #repeat(probe: () => Promise<void>): Promise<void> {
    while (!this.#isOver) {
      try {
        await probe();
      } catch (error) {
        this.#failures.push((error as Error).message);
      }
      await new Promise((resolve) => setTimeout(resolve, this.#pauseMs));
    }
  }

  async #meet(target: Target): Promise<void> {
    const at = Date.now();
    const leaf = await meet(target, this.#folder).catch((error: Error) => {
      throw new Error(`${target.name}: ${error.message}`);
    });
    const print = leaf.fingerprint;
    if (!this.#leaves.has(print)) this.#leaves.set(print, leaf);
    this.#seen.push({ who: `${target.name} as server`, at, leaf: print });
  }

  async #passThrough(): Promise<void> {
    const at = Date.now();
    const names = this.#targets.map(({ name }) => name);
    const prints = (await get(this.#url)).trim().split(' ');
    if (prints.length !== names.length - 1 || !prints.every((print) => /^[0-9a-f]{64}$/.test(print)))
      throw new Error(`through the mesh: ${prints.join(' ')}`);
    for (const [i, leaf] of prints.entries()) this.#seen.push({ who: `${names[i]} as client`, at, leaf });
  }
}

interface Target {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Part of the SPIFFE ID. */
  readonly identity: string;
  readonly isGateway: boolean;
}

/** Key and certificate of one and the same renewal. A folder that goes while it is read has a successor. */
function readCertificate(folder: string): { key: Buffer; cert: Buffer } {
  for (;;) {
    const data = fs.realpathSync(path.join(folder, OUTPUT, '..data'));
    const read = (name: string) => fs.readFileSync(path.join(data, name));
    try {
      return { key: read('key.pem'), cert: read('cert-chain.pem') };
    } catch (error) {
      if (data === fs.realpathSync(path.join(folder, OUTPUT, '..data'))) throw error;
    }
  }
}

/** A handshake, with a request that proves that the other side took it; resolves with whom it met. */
function meet({ host, port, identity, isGateway }: Target, folder: string): Promise<Certificate> {
  const name = isGateway ? FRESH_HOST : 'relay';
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      ...{ host, port, servername: name, timeout: ANSWER_MS, ...readCertificate(folder) },
      ALPNProtocols: [isGateway ? 'http/1.1' : 'istio-http/1.1'],
      // What the mesh trusts may change while hands are shaken: it is held against that below.
      rejectUnauthorized: false,
    });
    socket.once('secureConnect', () => socket.write(`GET /self HTTP/1.1\r\nhost: ${name}\r\n\r\n`));
    socket.once('data', (bytes: Buffer) => {
      const peer = socket.getPeerCertificate(true);
      socket.destroy();
      const [line = ''] = bytes.toString('latin1').split('\r\n');
      try {
        if (!line.startsWith('HTTP/1.1 200')) throw new Error(`answered ${line}`);
        resolve(verified(chainOf(peer), identity, folder));
      } catch (error) {
        reject(error);
      }
    });
    socket.once('timeout', () => socket.destroy(new Error('no answer in time')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without an answer')));
  });
}

function chainOf(leaf: tls.DetailedPeerCertificate): Certificate[] {
  const chain = [new Certificate(leaf.raw)];
  for (let at = leaf; at.issuerCertificate && at.issuerCertificate !== at; at = at.issuerCertificate)
    chain.push(new Certificate(at.issuerCertificate.raw));
  return chain;
}

/** The certificate of somebody in the mesh, by the bundle that the mesh publishes; throws if it is not that. */
function verified([leaf, ...intermediates]: readonly Certificate[], identity: string, folder: string): Certificate {
  const roots = parseCertificates(fs.readFileSync(path.join(folder, BUNDLE), 'utf8'), BUNDLE);
  const { problem } = verifyChain(leaf!, { intermediates, roots, now: Date.now(), purpose: 'server' });
  if (problem !== undefined) throw new Error(problem);
  const { uris } = leaf!.extensions.subjectAltNames;
  if (!uris.some((uri) => uri.includes(identity))) throw new Error(`it is ${uris.join()}`);
  return leaf!;
}

function get(url: URL): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent: false, headers: { host: FRESH_HOST }, timeout: ANSWER_MS }, (answer) => {
      let text = '';
      answer.setEncoding('latin1').on('data', (part: string) => (text += part));
      answer.once('error', reject);
      answer.once('end', () => resolve(answer.statusCode === 200 ? text : `answered ${answer.statusCode}: ${text}`));
    });
    request.once('timeout', () => request.destroy(new Error('no answer in time')));
    request.once('error', reject);
  });
}
