import tls from 'node:tls';
import { messageOf } from '../../base/errors.ts';
import type { Served } from '../../ca/rotation/phases.ts';
import { Certificate } from '../../ca/x509/certificate.ts';
import { askJson } from './ask.ts';
import { readCertificates, type UsedSecret, usedSecrets, waitingSecrets } from './secrets.ts';

/** A workload of the mesh, and where it is asked for its certificates. */
export interface Surveyed {
  /** `NAME.NAMESPACE`. */
  readonly workload: string;
  /** `HOST:PORT` of the proxy's admin interface. */
  readonly admin: string;
  /** `HOST:PORT` of the agent's status server. */
  readonly status: string;
}

/** What a workload uses, and how its own certificate fares. */
export interface Finding {
  readonly workload: string;
  /** Why it could not be asked. */
  readonly problem?: string;
  readonly secrets: readonly UsedSecret[];
  /** Names of secrets that its proxy has asked for and not got. */
  readonly waiting?: readonly string[];
  /** Of the certificate that its agent renews: times in ISO 8601. */
  readonly renewal?: Renewal;
  /** What its agent has written to `OUTPUT_CERTS`, where it is to. */
  readonly output?: Output;
}

export interface Renewal {
  readonly lastRenewal?: string;
  readonly renewalDue?: string;
  /** Why renewal is overdue, if it is. */
  readonly overdue?: string;
}

/** The files of a workload. */
export interface Output {
  readonly chain: readonly Certificate[];
  readonly roots: readonly Certificate[];
  /** Why they are not up to date. */
  readonly problem?: string;
}

/** What an agent answers to `/debug/certificates`. */
interface AgentAnswer extends Renewal {
  readonly certificate?: { readonly chain?: string };
  readonly roots?: string;
  readonly output?: { readonly chain?: string; readonly roots?: string; readonly problem?: string };
}

const OWN = 'default';
const ROOTS = 'ROOTCA';

/** Asks a workload's proxy what it uses, and its agent when it renewed. */
export async function survey({ workload, admin, status }: Surveyed): Promise<Finding> {
  let agent: AgentAnswer;
  try {
    agent = (await askJson(`http://${status}/debug/certificates`)) as AgentAnswer;
  } catch (error) {
    return { workload, problem: messageOf(error), secrets: [] };
  }
  const { lastRenewal, renewalDue, overdue } = agent;
  const renewal = { lastRenewal, renewalDue, overdue };
  const output = outputOf(agent);
  try {
    const [active, warming] = await Promise.all(
      ['active', 'warming'].map((state) => askJson(`http://${admin}/config_dump?resource=dynamic_${state}_secrets`)),
    );
    const used = usedSecrets(active);
    return { workload, secrets: [...used, ...notUsed(agent, used)], waiting: waitingSecrets(warming), renewal, output };
  } catch (error) {
    return { workload, problem: messageOf(error), secrets: notUsed(agent, []), renewal, output };
  }
}

function outputOf({ output }: AgentAnswer): Output | undefined {
  if (output === undefined) return undefined;
  const { chain = '', roots = '', problem } = output;
  return { chain: readCertificates(chain), roots: readCertificates(roots), problem };
}

/** What the agent has and its proxy has not asked for, such as where there is no proxy. */
function notUsed({ certificate, roots }: AgentAnswer, used: readonly UsedSecret[]): UsedSecret[] {
  const has = (name: string) => used.some((secret) => secret.name === name);
  const chain = has(OWN) ? [] : readCertificates(certificate?.chain ?? '');
  const trusted = has(ROOTS) ? [] : readCertificates(roots ?? '');
  return [
    ...(chain.length > 0 ? [{ name: OWN, use: 'presents' as const, certificates: chain }] : []),
    ...(trusted.length > 0 ? [{ name: ROOTS, use: 'trusts' as const, certificates: trusted }] : []),
  ];
}

const HANDSHAKE_MS = 3000;

/** The chain that a TLS server presents; nothing is trusted for it. */
export function presentedChain(host: string, port: number, servername: string): Promise<readonly Certificate[]> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host, port, servername, rejectUnauthorized: false, timeout: HANDSHAKE_MS }, () => {
      const chain: Certificate[] = [];
      let at: tls.DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
      while (at?.raw && !chain.some((c) => Buffer.compare(c.der, at!.raw) === 0)) {
        chain.push(new Certificate(at.raw));
        at = at.issuerCertificate;
      }
      socket.destroy();
      resolve(chain);
    });
    socket.on('timeout', () => socket.destroy(new Error(`no handshake within ${HANDSHAKE_MS / 1000} s`)));
    socket.on('error', reject);
  });
}

/** A finding as evidence for a rotation. */
export function servedOf({ workload, problem, secrets, output }: Finding): Served {
  if (problem !== undefined) return { workload, problem };
  const own = secrets.find(({ name, use }) => name === OWN && use === 'presents');
  const roots = secrets.find(({ name, use }) => name === ROOTS && use === 'trusts');
  const others = secrets.filter((secret) => secret !== own && secret !== roots);
  return {
    workload,
    leaf: own?.certificates[0],
    trusted: fingerprints(roots?.certificates ?? []),
    files: output && { leaf: output.chain[0], trusted: fingerprints(output.roots), problem: output.problem },
    secrets: others.map(({ name, use, certificates }) =>
      use === 'presents' ? { name, leaf: certificates[0] } : { name, trusted: fingerprints(certificates) },
    ),
  };
}

const fingerprints = (certificates: readonly Certificate[]) => certificates.map((c) => c.fingerprint);
