import { CA_FILES, type SigningBundle } from '../authority/bundle.ts';
import type { NewFile } from '../files/write.ts';
import type { Certificate } from '../x509/certificate.ts';
import { verifyChain } from '../x509/chain.ts';
import { privateKeyPem } from '../x509/keys.ts';

/**
 * How far the change from one authority to the next has got.
 *
 * - `trust`: the old authority signs, the roots of both are published.
 * - `issue`: the new authority signs, the roots of both are published.
 * - `drop`: only the new roots are published.
 * - `withdraw`: the change is taken back: the old authority signs again, the roots of both are still published.
 */
export type Phase = 'trust' | 'issue' | 'drop' | 'withdraw';

/** The two authorities of a rotation. */
export interface Authorities {
  readonly old: SigningBundle;
  readonly next: SigningBundle;
}

/** What somebody serves and trusts at a moment. */
export interface Holding {
  /** The certificate; undefined if there is none. */
  readonly leaf?: Certificate;
  /** SHA-256 of the roots that are trusted; undefined for one that only serves. */
  readonly trusted?: readonly string[];
}

/** What one workload serves and trusts at a moment, as its proxy has it. */
export interface Served extends Holding {
  /** `NAME.NAMESPACE`. */
  readonly workload: string;
  /** Why it could not be asked, in which case the rest is unknown. */
  readonly problem?: string;
  /** What the files hold that its agent writes for programs (`OUTPUT_CERTS`), and why they cannot be written. */
  readonly files?: Holding & { readonly problem?: string };
  /** What its proxy uses besides: certificates and roots of others' making, by the name of the secret. */
  readonly secrets?: readonly (Holding & { readonly name: string })[];
}

/** What is to change for a rotation to begin with: only where the roots differ they have to be trusted first. */
export function firstPhase(authorities: Authorities): Phase {
  return newRoots(authorities).length > 0 ? 'trust' : 'issue';
}

/** The phase after one that is complete; undefined when the rotation is over. */
export function nextPhase(phase: Phase, authorities: Authorities): Phase | undefined {
  if (phase === 'trust') return 'issue';
  return phase === 'issue' && oldRoots(authorities).length > 0 ? 'drop' : undefined;
}

/**
 * Where a rotation goes that is given up: back to the old authority alone while nothing has been signed by the new one,
 * over `withdraw` once something may have been. Null if it is too late.
 */
export function abortedPhase(phase: Phase): Phase | undefined | null {
  if (phase === 'issue') return 'withdraw';
  return phase === 'trust' ? undefined : null;
}

/** Why a phase is not complete, a sentence for each workload that it waits for; empty if it is. */
export function blockers(phase: Phase, authorities: Authorities, served: readonly Served[]): string[] {
  return served.flatMap((one) => reasons(phase, authorities, one));
}

/** Whether a workload's own certificate is of another authority than the phase wants. */
export function servesOther(phase: Phase, authorities: Authorities, { problem, leaf }: Served): boolean {
  if (phase !== 'issue' && phase !== 'withdraw') return false;
  return problem !== undefined || lag(phase, authorities, { leaf }) !== undefined;
}

function reasons(phase: Phase, authorities: Authorities, served: Served): string[] {
  const { workload, problem, files, secrets = [], ...own } = served;
  if (problem !== undefined) return [`${workload} cannot be asked: ${problem}`];
  const found = [[workload, lag(phase, authorities, own)]];
  if (files !== undefined) {
    const { problem: unwritten } = files;
    const late = unwritten === undefined ? lag(phase, authorities, files, FILES) : `is not up to date: ${unwritten}`;
    found.push([`${workload}'s OUTPUT_CERTS`, late]);
  }
  for (const { name, ...holding } of secrets)
    if (isOfLeaving(phase, authorities, holding))
      found.push([`${workload}'s secret "${name}"`, lag(phase, authorities, holding)]);
  return found.flatMap(([who, late]) => (late === undefined ? [] : [`${who} ${late}`]));
}

/** Whether what others provide is of the authority that is to go: what is of a third one may stay as it is. */
function isOfLeaving(phase: Phase, { old, next }: Authorities, { leaf, trusted }: Holding): boolean {
  if (phase === 'issue' || phase === 'withdraw')
    return leaf?.isSignedBy((phase === 'issue' ? old : next).certificate) ?? false;
  return old.roots.some((root) => trusted?.includes(root.fingerprint));
}

interface Words {
  /** What somebody does with a certificate, and with a root. */
  readonly serve: string;
  readonly trust: readonly [infinitive: string, present: string];
}

const PROXY: Words = { serve: 'serve', trust: ['trust', 'trusts'] };
/** Files neither serve nor trust. */
const FILES: Words = { serve: 'have', trust: ['have', 'has'] };

/** How a holding is behind. */
function lag(
  phase: Phase,
  authorities: Authorities,
  { leaf, trusted }: Holding,
  { serve, trust } = PROXY,
): string | undefined {
  switch (phase) {
    case 'trust': {
      const missing = newRoots(authorities).find((root) => trusted && !trusted.includes(root.fingerprint));
      return missing && `does not ${trust[0]} the new root "${missing.displayName}" yet`;
    }
    case 'drop': {
      const left = oldRoots(authorities).find((root) => trusted?.includes(root.fingerprint));
      return left && `still ${trust[1]} the old root "${left.displayName}"`;
    }
    case 'issue':
    case 'withdraw': {
      if (leaf === undefined) return 'has no certificate yet';
      const which = phase === 'issue' ? 'new' : 'old';
      if (leaf.isSignedBy(signerOf(phase, authorities).certificate)) return undefined;
      return `does not ${serve} a certificate of the ${which} authority yet`;
    }
  }
}

/** Which authority signs in a phase; undefined is after the end. */
export function signerOf(phase: Phase, { old, next }: Authorities): SigningBundle {
  return phase === 'trust' || phase === 'withdraw' ? old : next;
}

/** The files of the authority in a phase, as in a folder `cacerts`. The root of the signer stands first in the bundle. */
export function filesOf(phase: Phase, authorities: Authorities): Map<string, NewFile> {
  const signer = signerOf(phase, authorities);
  const other = signer === authorities.old ? authorities.next : authorities.old;
  return authorityFiles(signer, phase === 'drop' ? [] : other.roots);
}

/** The files of an authority that publishes further roots after its own. */
export function authorityFiles(signer: SigningBundle, more: readonly Certificate[] = []): Map<string, NewFile> {
  const { certificate, key, chain, roots } = signer;
  const { path } = verifyChain(certificate, { intermediates: chain, roots, now: certificate.notBefore });
  const own = path?.at(-1);
  const first = own && roots.some((root) => root.equals(own)) ? [own] : [];
  const all = [...new Map([...first, ...roots, ...more].map((root) => [root.fingerprint, root])).values()];
  const pem = (list: readonly Certificate[]) => list.map((c) => c.pem).join('');
  return new Map<string, NewFile>([
    [CA_FILES.key, { text: privateKeyPem(key), secret: true }],
    [CA_FILES.certificate, { text: certificate.pem, secret: false }],
    [CA_FILES.chain, { text: pem(chain), secret: false }],
    [CA_FILES.roots, { text: pem(all), secret: false }],
  ]);
}

const newRoots = ({ old, next }: Authorities) => without(next.roots, old.roots);
const oldRoots = ({ old, next }: Authorities) => without(old.roots, next.roots);

function without(roots: readonly Certificate[], others: readonly Certificate[]): Certificate[] {
  return roots.filter((root) => !others.some((other) => other.equals(root)));
}
