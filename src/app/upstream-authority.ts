import path from 'node:path';
import { GrpcChannel } from '../agent/grpc-channel.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { messageOf, UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { CsrClient, tokenFromFile } from '../ca/client/csr-client.ts';
import { readSmallFile } from '../ca/files/read.ts';
import { csrSigner } from '../ca/upstream/csr-signer.ts';
import { RemoteAuthority } from '../ca/upstream/remote-authority.ts';
import { type VaultCredential, VaultSigner } from '../ca/upstream/vault.ts';
import { parseCertificates } from '../ca/x509/certificate.ts';
import type { UpstreamAuthority } from '../discovery/security.ts';

type Environment = Readonly<Record<string, string | undefined>>;

interface Lifetimes {
  readonly defaultTtlMs: number | undefined;
  readonly maxTtlMs: number | undefined;
}

const TOKEN_FILE = './var/run/secrets/tokens/istio-token';
const JWT_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const DEADLINE_MS = 10_000;

/**
 * The authority that `EXTERNAL_CA` names; undefined if the control plane is to sign itself. Throws a UserError that
 * names the variable that is wrong.
 *
 * - `ISTIOD_RA_ISTIO_API`: another CSR service at `CA_ADDR`, verified with `CA_ROOT_CA` as `CA_SAN`, asked with the
 *   token in `CA_TOKEN_FILE`. The other side must let this control plane ask for others (`CA_TRUSTED_NODE_ACCOUNTS`).
 * - `VAULT`: the PKI engine `VAULT_PKI_MOUNT` at `VAULT_ADDR` with the role `VAULT_PKI_ROLE`, by the token in
 *   `VAULT_TOKEN_FILE`, or by a login at `VAULT_AUTH_PATH` as `VAULT_AUTH_ROLE` with the JWT in `VAULT_AUTH_JWT_FILE`.
 */
export async function upstreamAuthority(
  env: Environment,
  lifetimes: Lifetimes,
  log: Logger,
  clock: Clock = systemClock,
): Promise<UpstreamAuthority | undefined> {
  const kind = env.EXTERNAL_CA;
  if (!kind) return undefined;
  const common = {
    ...lifetimes,
    onError: (error: unknown) => log.error(`upstream CA: ${messageOf(error)}`),
    clock,
  };
  if (kind === 'VAULT') {
    const signer = await vaultSigner(env, clock);
    const own = env.CA_ROOT_CA ? await readRequired('CA_ROOT_CA', env.CA_ROOT_CA) : selfSigned(await rootsOf(signer));
    const authority = new RemoteAuthority({ ...common, signer, roots: own, rootsName: signer.source });
    return Object.assign(authority, { close() {} });
  }
  if (kind !== 'ISTIOD_RA_ISTIO_API')
    throw new UserError(`EXTERNAL_CA must be ISTIOD_RA_ISTIO_API or VAULT, not ${JSON.stringify(kind)}`);
  const { host, port } = addressOf(required(env, 'CA_ADDR'));
  const file = required(env, 'CA_ROOT_CA');
  const channel = new GrpcChannel({
    host,
    port,
    tls: {
      serverName: env.CA_SAN || host,
      credentials: async () => ({ roots: await readRequired('CA_ROOT_CA', file) }),
    },
    deadlineMs: DEADLINE_MS,
    userAgent: 'isthmus-discovery',
    clock,
  });
  const token = tokenFromFile(path.resolve(env.CA_TOKEN_FILE || TOKEN_FILE));
  const client = new CsrClient({ transport: channel, token, timeoutMs: DEADLINE_MS, clock });
  const signer = csrSigner(client, `the CSR service at ${host}:${port}`);
  const roots = await readRequired('CA_ROOT_CA', file);
  return Object.assign(new RemoteAuthority({ ...common, signer, roots, rootsName: file }), {
    close: () => channel.close(),
  });
}

async function vaultSigner(env: Environment, clock: Clock): Promise<VaultSigner> {
  const address = required(env, 'VAULT_ADDR');
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol))
    throw new UserError(`VAULT_ADDR must be a URL such as https://vault.example:8200, not ${JSON.stringify(address)}`);
  const mount = (env.VAULT_PKI_MOUNT || 'pki').replace(/^\/+|\/+$/g, '');
  return new VaultSigner({
    address: new URL(address),
    mount,
    role: required(env, 'VAULT_PKI_ROLE'),
    credential: credentialOf(env),
    ...(env.VAULT_NAMESPACE && { namespace: env.VAULT_NAMESPACE }),
    ...(env.VAULT_CACERT && { ca: await readRequired('VAULT_CACERT', env.VAULT_CACERT) }),
    clock,
  });
}

function credentialOf(env: Environment): VaultCredential {
  if (env.VAULT_TOKEN_FILE) return { tokenFile: path.resolve(env.VAULT_TOKEN_FILE) };
  if (!env.VAULT_AUTH_PATH)
    throw new UserError('EXTERNAL_CA is VAULT: name a token in VAULT_TOKEN_FILE, or a login in VAULT_AUTH_PATH');
  return {
    loginPath: env.VAULT_AUTH_PATH.replace(/^\/+|\/+$/g, ''),
    loginRole: required(env, 'VAULT_AUTH_ROLE'),
    jwtFile: path.resolve(env.VAULT_AUTH_JWT_FILE || JWT_FILE),
  };
}

async function rootsOf(signer: VaultSigner): Promise<string> {
  try {
    return await signer.authorityChain();
  } catch (error) {
    throw new UserError(`The roots of the mesh are not known, name them in CA_ROOT_CA: ${messageOf(error)}`);
  }
}

function selfSigned(chain: string): string {
  const roots = parseCertificates(chain, "Vault's chain").filter((c) => c.selfIssued && c.isSignedBy(c));
  if (roots.length === 0)
    throw new UserError(
      "Vault's authority is an intermediate, and its chain ends without a root: name that in CA_ROOT_CA",
    );
  return roots.map((c) => c.pem).join('');
}

function addressOf(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65535)
    throw new UserError(`CA_ADDR must be HOST:PORT, not ${JSON.stringify(text)}`);
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port };
}

function required(env: Environment, name: string): string {
  const value = env[name];
  if (!value) throw new UserError(`EXTERNAL_CA is ${env.EXTERNAL_CA}: ${name} must be set`);
  return value;
}

async function readRequired(name: string, file: string): Promise<string> {
  const text = await readSmallFile(path.resolve(file));
  if (!text?.trim()) throw new UserError(`${name}: ${file} is ${text === undefined ? 'missing' : 'empty'}.`);
  return text;
}
