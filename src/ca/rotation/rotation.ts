import fs from 'node:fs/promises';
import path from 'node:path';
import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import { CA_FILE_NAMES, CA_FILES, parseBundle, type SigningBundle } from '../authority/bundle.ts';
import { generateSelfSigned } from '../authority/self-signed.ts';
import { type FileSet, readFiles, readSmallFile } from '../files/read.ts';
import { createFolder, type NewFile, replaceFile, replaceSet } from '../files/write.ts';
import { type KeyType, keyTypeOf } from '../x509/keys.ts';
import {
  type Authorities,
  abortedPhase,
  authorityFiles,
  blockers,
  filesOf,
  firstPhase,
  nextPhase,
  type Phase,
  type Served,
  servesOther,
} from './phases.ts';

export interface RotationOptions {
  /** Folder with the files of the authority (`ca-cert.pem` and so on), which the control plane follows. */
  readonly authority: string;
  /** Folder for the two authorities while the rotation lasts. Its keys are removed with it. */
  readonly state: string;
  readonly trustDomain: string;
  readonly clock?: Clock;
}

/** A rotation under way, for people. */
export interface RotationStatus {
  readonly phase: Phase;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** When the present phase began. */
  readonly phaseSince: number;
  readonly old: { readonly signer: string; readonly roots: readonly string[] };
  readonly next: { readonly signer: string; readonly roots: readonly string[] };
}

interface Record {
  readonly phase: Phase;
  readonly startedAt: number;
  readonly phaseSince: number;
}

interface Current {
  readonly record: Record;
  readonly authorities: Authorities;
}

const RECORD = 'rotation.json';
const SIDES = ['old', 'next'] as const;
const FILES = Object.values(CA_FILES);

/** A step was asked for that has to wait; says for whom. */
export class NotYet extends UserError {
  readonly waiting: readonly string[];

  constructor(phase: Phase, waiting: readonly string[]) {
    super(`the rotation stays in the phase "${phase}": ${waiting.join('; ')}`);
    this.waiting = waiting;
  }
}

/**
 * Changes the authority of a running mesh for another one, so that at every moment each workload trusts whatever any
 * other serves. Each step changes the files of the authority at one stroke; whether a step is due is decided by what
 * the workloads were seen to serve and trust, never by time. What was begun survives a restart.
 */
export class Rotation {
  readonly #options: RotationOptions;
  readonly #clock: Clock;
  #current: Current | undefined;

  private constructor(options: RotationOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Takes up what was begun. Throws a UserError if its files cannot be used. */
  static async open(options: RotationOptions): Promise<Rotation> {
    const rotation = new Rotation(options);
    rotation.#current = await rotation.#load();
    await rotation.restore();
    return rotation;
  }

  get status(): RotationStatus | undefined {
    if (this.#current === undefined) return undefined;
    const { record, authorities } = this.#current;
    const describe = ({ certificate, roots }: SigningBundle) => ({
      signer: `${certificate.displayName} (${certificate.fingerprint.slice(0, 16)})`,
      roots: roots.map((root) => root.fingerprint),
    });
    return { ...record, old: describe(authorities.old), next: describe(authorities.next) };
  }

  /** Writes the files of the present phase again, after somebody else has written the authority's. */
  async restore(): Promise<void> {
    if (this.#current === undefined) return;
    const { record, authorities } = this.#current;
    await replaceSet(this.#options.authority, filesOf(record.phase, authorities));
  }

  /**
   * Begins: to the authority in the folder `from`, or else to a new self-signed root with a key of this type, or of the
   * type that the present one has. Throws a UserError if a rotation is under way or the new authority is not good.
   */
  async start(from?: string, keyType?: KeyType): Promise<void> {
    if (this.#current) throw new UserError('a rotation is under way already; see "isthmus ca rotate status"');
    const { authority, trustDomain } = this.#options;
    const now = this.#clock.now();
    const old = await this.#parse(await readFiles(authority, CA_FILE_NAMES), authority);
    const files = from === undefined ? await this.#makeRoot(old, keyType) : await readFiles(from, CA_FILE_NAMES);
    const next = await this.#parse(files, from ?? `the new root of ${trustDomain}`);
    if (next.certificate.equals(old.certificate))
      throw new UserError(`${from} holds the authority that the mesh has already.`);
    const authorities = { old, next };
    const record = { phase: firstPhase(authorities), startedAt: now, phaseSince: now };
    const kept = new Map<string, NewFile>([[RECORD, { text: JSON.stringify(record), secret: true }]]);
    for (const side of SIDES)
      for (const [name, file] of authorityFiles(authorities[side])) kept.set(`${side}-${name}`, file);
    if (!(await createFolder(this.#options.state, kept)))
      throw new UserError(`The folder ${this.#options.state} is in the way: it has files, but no ${RECORD}.`);
    this.#current = { record, authorities };
    await this.restore();
  }

  /** Who the present phase waits for, a sentence each. */
  waiting(served: readonly Served[]): readonly string[] {
    if (this.#current === undefined) return [];
    return blockers(this.#current.record.phase, this.#current.authorities, served);
  }

  /** The workloads that serve a certificate of another authority than the phase wants. */
  lateWith(served: readonly Served[]): string[] {
    if (this.#current === undefined) return [];
    const { record, authorities } = this.#current;
    return served.filter((one) => servesOther(record.phase, authorities, one)).map(({ workload }) => workload);
  }

  /** Goes on to the next phase, or ends. Throws {@link NotYet} if the present one is not complete. */
  async next(served: readonly Served[]): Promise<void> {
    const { record, authorities } = this.#underWay();
    const waiting = blockers(record.phase, authorities, served);
    if (waiting.length > 0) throw new NotYet(record.phase, waiting);
    await this.#enter(nextPhase(record.phase, authorities), record.phase === 'withdraw' ? 'old' : 'next');
  }

  /** Goes back to the old authority. Throws a UserError if it is too late for that. */
  async abort(): Promise<void> {
    const { record } = this.#underWay();
    const phase = abortedPhase(record.phase);
    if (phase === null)
      throw new UserError(
        record.phase === 'withdraw'
          ? 'the rotation is being taken back already; "isthmus ca rotate next" ends it'
          : 'the old root is being dropped, and the new authority is the only one; rotate once more instead',
      );
    await this.#enter(phase, 'old');
  }

  #underWay(): Current {
    if (!this.#current) throw new UserError('no rotation is under way; "isthmus ca rotate start" begins one');
    return this.#current;
  }

  /** Without a phase the rotation is over, and `winner` is what is left. */
  async #enter(phase: Phase | undefined, winner: (typeof SIDES)[number]): Promise<void> {
    const { record, authorities } = this.#underWay();
    const { authority, state } = this.#options;
    if (phase !== undefined) {
      const next = { ...record, phase, phaseSince: this.#clock.now() };
      await replaceFile(path.join(state, RECORD), { text: JSON.stringify(next), secret: true });
      this.#current = { record: next, authorities };
      await this.restore();
      return;
    }
    await replaceSet(authority, authorityFiles(authorities[winner]));
    await fs.rm(state, { recursive: true, force: true });
    this.#current = undefined;
  }

  async #load(): Promise<Current | undefined> {
    const { state } = this.#options;
    const text = await readSmallFile(path.join(state, RECORD));
    if (text === undefined) return undefined;
    try {
      const record = JSON.parse(text) as Record;
      const side = async (name: (typeof SIDES)[number]) => {
        const files = await readFiles(
          state,
          FILES.map((file) => `${name}-${file}`),
        );
        const own = new Map([...files].map(([file, content]) => [file.slice(name.length + 1), content]));
        // An old authority that has expired meanwhile can still be replaced.
        return this.#parse(own, path.join(state, name), record.startedAt);
      };
      return { record, authorities: { old: await side('old'), next: await side('next') } };
    } catch (error) {
      throw new UserError(
        `The rotation in ${state} cannot be taken up: ${messageOf(error)} Restore its files, or remove the folder and see that the authority's files are the right ones.`,
      );
    }
  }

  async #makeRoot(old: SigningBundle, keyType: KeyType | undefined): Promise<FileSet> {
    const { trustDomain } = this.#options;
    const type = keyType ?? keyTypeOf(old.certificate.publicKey);
    const files = await generateSelfSigned({ trustDomain, now: this.#clock.now(), keyType: type });
    return new Map([...files].map(([name, { text }]) => [name, text]));
  }

  #parse(files: FileSet, where: string, now = this.#clock.now()): Promise<SigningBundle> {
    const { trustDomain } = this.#options;
    return parseBundle(files, { locate: (name) => path.join(where, name), now, trustDomain });
  }
}
