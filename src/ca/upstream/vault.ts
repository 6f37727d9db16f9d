import https from 'node:https';
import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import { http } from '../../base/node-http.ts';
import { readSmallFile } from '../files/read.ts';
import type { RemoteSigner } from './remote-authority.ts';

export interface VaultOptions {
  /** `VAULT_ADDR`: `https://vault.example:8200`. */
  readonly address: URL;
  /** Path of the PKI secrets engine, `pki` or `pki_mesh`. */
  readonly mount: string;
  /** Role of that engine. It must take names from parameters (`use_csr_sans=false`), and need no common name. */
  readonly role: string;
  readonly credential: VaultCredential;
  /** `VAULT_NAMESPACE`, of Vault Enterprise. */
  readonly namespace?: string;
  /** `VAULT_CACERT`: roots in PEM that the server's certificate must lead to; those of the system without it. */
  readonly ca?: string;
  readonly clock?: Clock;
}

/** A token in a file, read anew each time because Vault's agent replaces it; or a login with a JWT (auth/kubernetes, auth/jwt). */
export type VaultCredential =
  | { readonly tokenFile: string }
  | { readonly loginPath: string; readonly loginRole: string; readonly jwtFile: string };

const TIMEOUT_MS = 10_000;
const MAX_ANSWER = 1 << 20;
/** A token is replaced when this share of its lease is over. */
const LEASE_SHARE = 0.8;

/** As much of Vault's answers as is used here. */
interface Answer {
  readonly data?: {
    readonly certificate?: string;
    readonly issuing_ca?: string;
    readonly ca_chain?: readonly string[];
  };
  readonly auth?: { readonly client_token?: string; readonly lease_duration?: number };
  readonly errors?: readonly string[];
}

/** The PKI secrets engine of HashiCorp Vault, by its HTTP API (`POST /v1/MOUNT/sign/ROLE`). */
export class VaultSigner implements RemoteSigner {
  readonly source: string;
  readonly #options: VaultOptions;
  readonly #clock: Clock;
  #login: { readonly token: string; readonly until: number } | undefined;

  constructor(options: VaultOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.source = `Vault at ${options.address.origin}, ${options.mount}, role ${options.role}`;
  }

  async sign(csr: string, { identity, dnsNames = [] }: Parameters<RemoteSigner['sign']>[1], ttlMs: number) {
    const { mount, role } = this.#options;
    const { data } = await this.#withToken((token) =>
      this.#call(
        'POST',
        `${mount}/sign/${encodeURIComponent(role)}`,
        {
          csr,
          uri_sans: identity ?? '',
          alt_names: dnsNames.join(','),
          ttl: `${Math.floor(ttlMs / 1000)}s`,
          format: 'pem',
          exclude_cn_from_sans: true,
        },
        token,
      ),
    );
    if (typeof data?.certificate !== 'string') throw new UserError(`${this.source} answered without a certificate`);
    const above = data.ca_chain ?? (data.issuing_ca === undefined ? [] : [data.issuing_ca]);
    return { chain: [data.certificate, ...above].map((pem) => `${pem.trim()}\n`).join('') };
  }

  /** The certificates of the engine's authority, its own first; they need no token. */
  async authorityChain(): Promise<string> {
    const { data } = await this.#call('GET', `${this.#options.mount}/cert/ca_chain`, undefined, undefined);
    if (!data?.certificate) throw new UserError(`${this.source} has no certificate of its own yet`);
    return data.certificate;
  }

  async #withToken(use: (token: string) => Promise<Answer>): Promise<Answer> {
    const token = await this.#token();
    try {
      return await use(token);
    } catch (error) {
      // A token may have been revoked before its time.
      if (!(error instanceof Forbidden) || this.#login === undefined) throw error;
      this.#login = undefined;
      return use(await this.#token());
    }
  }

  async #token(): Promise<string> {
    const { credential } = this.#options;
    if ('tokenFile' in credential) return readSecret(credential.tokenFile);
    const now = this.#clock.now();
    if (this.#login && now < this.#login.until) return this.#login.token;
    const jwt = await readSecret(credential.jwtFile);
    const { auth } = await this.#call('POST', `${credential.loginPath}/login`, { role: credential.loginRole, jwt });
    if (!auth?.client_token) throw new UserError(`${this.source} gave no token for ${credential.loginPath}`);
    this.#login = { token: auth.client_token, until: now + (auth.lease_duration ?? 0) * 1000 * LEASE_SHARE };
    return auth.client_token;
  }

  async #call(method: string, path: string, body?: object, token?: string): Promise<Answer> {
    const { status, text } = await this.#send(method, path, body, token);
    let answer: Answer;
    try {
      answer = JSON.parse(text || '{}') as Answer;
    } catch {
      throw new UserError(`${this.source} answered ${path} with ${status} and no JSON`);
    }
    if (status === 200 || status === 204) return answer;
    const why = `${this.source} answered ${path} with ${status}: ${(answer.errors ?? []).join('; ').slice(0, 500)}`;
    throw status === 403 ? new Forbidden(why) : new UserError(why);
  }

  #send(method: string, path: string, body: object | undefined, token: string | undefined) {
    const { address, namespace, ca } = this.#options;
    const { request: open } = address.protocol === 'https:' ? https : http;
    const headers = {
      'x-vault-request': 'true',
      'content-type': 'application/json',
      ...(token !== undefined && { 'x-vault-token': token }),
      ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
    };
    return new Promise<{ status: number; text: string }>((resolve, reject) => {
      const fail = (error: Error) => reject(new UserError(`${this.source} cannot be asked: ${messageOf(error)}`));
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const url = new URL(`/v1/${path}`, address);
      const request = open(url, { method, headers, signal, agent: false, ...(ca && { ca }) }, (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > MAX_ANSWER) response.destroy(new Error(`the answer is larger than ${MAX_ANSWER} bytes`));
        });
        response.on('error', fail);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        );
      });
      request.on('error', fail);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

class Forbidden extends UserError {}

async function readSecret(file: string): Promise<string> {
  const text = (await readSmallFile(file))?.trim();
  if (!text) throw new UserError(`${file} is ${text === undefined ? 'missing' : 'empty'}.`);
  if (!/^[\x21-\x7e]+$/.test(text)) throw new UserError(`${file} does not hold one token.`);
  return text;
}
