import path from 'node:path';
import { messageOf, UserError } from '../../base/errors.ts';
import { readSmallFile } from '../../ca/files/read.ts';
import type { Served } from '../../ca/rotation/phases.ts';
import { NotYet, Rotation } from '../../ca/rotation/rotation.ts';
import { KEY_TYPES, type KeyType } from '../../ca/x509/keys.ts';
import type {
  CertificatesResponse,
  RenewResponse,
  RotationRequest,
  RotationResponse,
} from '../../config/control/mesh-api.ts';
import { order } from './ask.ts';
import { inventory } from './inventory.ts';
import { readCertificates } from './secrets.ts';
import { type Finding, presentedChain, type Surveyed, servedOf, survey } from './survey.ts';

export interface MeshCertificatesOptions {
  /** Folder with the files of the authority. */
  readonly authority: string;
  /** Whether that comes from the Secret `cacerts`. */
  readonly plugged: boolean;
  /** Folder for a rotation under way. */
  readonly rotation: string;
  readonly trustDomain: string;
  /** Proxies and agents of the mesh at a moment. */
  readonly workloads: () => readonly Surveyed[];
  /** Where the control plane serves TLS, `HOST:PORT`, and its name there. */
  readonly controlPlane: { readonly address: string; readonly name: string };
}

/** How many workloads are asked at a time. */
const AT_ONCE = 16;
/** How often at most the same workloads are told to renew. */
const HURRY_MS = 5000;
/** How long the control plane may take to notice its new files. */
const TAKEN_MS = 10_000;
const LOOK_MS = 50;

/** The certificates of a local mesh: what there is, and the change of its authority. */
export class MeshCertificates {
  readonly #options: MeshCertificatesOptions;
  readonly #rotation: Rotation;
  /** When workloads were last told to renew for a rotation, milliseconds since 1970. */
  #hurriedAt = 0;
  /** Steps are taken one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: MeshCertificatesOptions, rotation: Rotation) {
    this.#options = options;
    this.#rotation = rotation;
  }

  /** Takes up a rotation that was begun. Throws a UserError if that is not possible. */
  static async open(options: MeshCertificatesOptions): Promise<MeshCertificates> {
    const { authority, rotation: state, trustDomain } = options;
    return new MeshCertificates(options, await Rotation.open({ authority, state, trustDomain }));
  }

  /** The authority's files were written by somebody else. */
  authorityChanged(): Promise<void> {
    return this.#inTurn(() => this.#rotation.restore());
  }

  async list(): Promise<CertificatesResponse> {
    const { authority } = this.#options;
    const [findings, ...own] = await Promise.all([
      this.#findings(),
      ...['ca-cert.pem', 'root-cert.pem'].map((name) => readSmallFile(path.join(authority, name))),
    ]);
    const problems = findings.flatMap(({ workload, problem, secrets, renewal, output }) => {
      if (problem !== undefined) return [{ workload, problem }];
      if (output?.problem !== undefined)
        return [{ workload, problem: `OUTPUT_CERTS is not up to date: ${output.problem}` }];
      if (secrets.some(({ use }) => use === 'presents')) return [];
      return renewal?.overdue === undefined ? [] : [{ workload, problem: renewal.overdue }];
    });
    const waiting = findings.flatMap(({ workload, waiting = [] }) => waiting.map((secret) => ({ workload, secret })));
    const certificates = inventory(findings, readCertificates(own.join('')), Date.now());
    return { certificates, problems, waiting };
  }

  async rotation(): Promise<RotationResponse> {
    const { status } = this.#rotation;
    const { plugged } = this.#options;
    if (status === undefined) return { rotation: undefined, plugged };
    const { phase, startedAt, phaseSince, old, next } = status;
    const waiting = this.#rotation.waiting(await this.#served());
    return { rotation: { phase, startedAt, phaseSince, old: old.signer, next: next.signer, waiting }, plugged };
  }

  /** Takes a step, or says that it is refused and why. Throws a UserError for one that makes no sense. */
  step({ action, from, keyType }: RotationRequest): Promise<RotationResponse> {
    return this.#inTurn(async () => {
      try {
        if (action === 'start') await this.#rotation.start(from, keyTypeNamed(keyType));
        else if (action === 'next') await this.#rotation.next(await this.#served());
        else if (action === 'abort') await this.#rotation.abort();
        else throw new UserError(`a rotation has no step ${JSON.stringify(action)}`);
      } catch (error) {
        if (!(error instanceof NotYet)) throw error;
        await this.#hurry();
        return { ...(await this.rotation()), refused: true };
      }
      this.#hurriedAt = 0;
      await this.#hurry();
      return this.rotation();
    });
  }

  /**
   * Has workloads renew that serve a certificate of the wrong authority, once the control plane itself has one of the
   * right one. Agents notice another root by themselves; of another intermediate nothing tells them.
   */
  async #hurry(): Promise<void> {
    if (Date.now() - this.#hurriedAt < HURRY_MS) return;
    const deadline = Date.now() + TAKEN_MS;
    const { name } = this.#options.controlPlane;
    for (;;) {
      const served = await this.#served();
      const late = this.#rotation.lateWith(served);
      if (!late.includes(name) || Date.now() >= deadline) {
        this.#hurriedAt = Date.now();
        const known = new Set(this.#options.workloads().map(({ workload }) => workload));
        await this.renew(late.filter((workload) => known.has(workload)));
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Has workloads renew their certificates now: those that are named, or all. Resolves when they have been told. */
  async renew(names?: readonly string[]): Promise<RenewResponse> {
    const all = this.#options.workloads();
    const chosen = names === undefined ? all : all.filter(({ workload }) => names.includes(workload));
    const missing = (names ?? []).filter((name) => !all.some(({ workload }) => workload === name));
    if (missing.length > 0)
      throw new UserError(
        `there is no workload ${missing.join(', ')}: there is ${all.map((w) => w.workload).join(', ')}`,
      );
    const problems = await Promise.all(
      chosen.map(({ workload, status }) =>
        order(`http://${status}/certificates/renew`).then(
          () => [],
          (error: unknown) => [{ workload, problem: messageOf(error) }],
        ),
      ),
    );
    return { renewed: chosen.map(({ workload }) => workload), problems: problems.flat() };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  async #served(): Promise<Served[]> {
    return (await this.#findings()).map(servedOf).map((served) =>
      // The control plane verifies with what it publishes, and has nothing to take over.
      served.workload === this.#options.controlPlane.name ? { ...served, trusted: undefined } : served,
    );
  }

  async #findings(): Promise<Finding[]> {
    const workloads = [...this.#options.workloads()];
    const findings: Finding[] = [await this.#controlPlane()];
    const ask = async () => {
      for (let next = workloads.shift(); next; next = workloads.shift()) findings.push(await survey(next));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
    return findings.sort((a, b) => (a.workload < b.workload ? -1 : 1));
  }

  async #controlPlane(): Promise<Finding> {
    const { address, name } = this.#options.controlPlane;
    const colon = address.lastIndexOf(':');
    try {
      const chain = await presentedChain(address.slice(0, colon), Number(address.slice(colon + 1)), name);
      return { workload: name, secrets: [{ name: 'default', use: 'presents', certificates: chain }] };
    } catch (error) {
      return { workload: name, problem: messageOf(error), secrets: [] };
    }
  }
}

function keyTypeNamed(name: string | undefined): KeyType | undefined {
  const type = KEY_TYPES.find((known) => known === name);
  if (name !== undefined && type === undefined)
    throw new UserError(`${JSON.stringify(name)} is no type of key; there are ${KEY_TYPES.join(', ')}`);
  return type;
}
