import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { TestPki } from './pki.ts';
import { freePorts, type RunningProgram, run, until } from './reference.ts';

/** HashiCorp Vault: the program in `VAULT_BIN`, or `vault` in REFERENCE_BIN or on the PATH; undefined if there is none. */
export function vaultProgram(): string | undefined {
  const { VAULT_BIN, REFERENCE_BIN, PATH = '' } = process.env;
  if (VAULT_BIN) return VAULT_BIN;
  const folders = [REFERENCE_BIN, ...PATH.split(':')].filter((folder): folder is string => Boolean(folder));
  return folders.map((folder) => path.join(folder, 'vault')).find((file) => fs.existsSync(file));
}

/** Why tests with Vault are skipped, or false. */
export const withoutVault: string | false = vaultProgram()
  ? false
  : 'there is no HashiCorp Vault: it is looked for in VAULT_BIN, in REFERENCE_BIN and on the PATH';

export interface VaultAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: Vault's answers are read by tests, which fail if they are others.
  readonly body: any;
}

/** A Vault server with TLS on a loopback port, whose storage is a folder: what it knows outlives its process. */
export class VaultServer {
  readonly address: string;
  /** File with the root that its certificate stands under. */
  readonly caFile: string;
  readonly #t: { after(fn: () => Promise<void>): void };
  readonly #folder: string;
  readonly #ca: string;
  #program: RunningProgram | undefined;
  #unsealKey = '';
  #rootToken = '';

  private constructor(t: { after(fn: () => Promise<void>): void }, folder: string, port: number, ca: string) {
    this.#t = t;
    this.#folder = folder;
    this.#ca = ca;
    this.address = `https://localhost:${port}`;
    this.caFile = path.join(folder, 'vault-ca.pem');
    fs.writeFileSync(this.caFile, ca);
  }

  /** Starts it, initialized and unsealed. */
  static async start(t: { after(fn: () => Promise<void>): void }, folder: string): Promise<VaultServer> {
    const pki = await TestPki.make(path.join(folder, 'vault-pki'));
    const { cert, key } = await pki.issue({ dnsNames: ['localhost'] });
    const [port] = await freePorts(1);
    const file = (name: string, text: string) => {
      fs.writeFileSync(path.join(folder, name), text, { mode: 0o600 });
      return path.join(folder, name);
    };
    const listener = { address: `127.0.0.1:${port}`, tls_cert_file: file('vault.crt', cert) };
    const config = {
      storage: { file: { path: path.join(folder, 'vault-storage') } },
      listener: { tcp: { ...listener, tls_key_file: file('vault.key', key) } },
      disable_mlock: true,
    };
    file('vault.json', JSON.stringify(config));
    const server = new VaultServer(t, folder, port!, pki.roots);
    await server.#run();
    const { body } = await server.request('PUT', 'sys/init', { secret_shares: 1, secret_threshold: 1 });
    server.#unsealKey = body.keys_base64[0];
    server.#rootToken = body.root_token;
    await server.#unseal();
    return server;
  }

  async stop(): Promise<void> {
    await this.#program?.stop();
  }

  /** Starts it again after {@link stop}. */
  async restart(): Promise<void> {
    await this.#run();
    await this.#unseal();
  }

  /** Calls the HTTP API as its administrator; fails unless it succeeds. */
  async admin(method: string, where: string, body?: object): Promise<VaultAnswer['body']> {
    const answer = await this.request(method, where, body, this.#rootToken);
    if (answer.status >= 300) throw new Error(`${method} ${where}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  request(method: string, where: string, body?: object, token?: string): Promise<VaultAnswer> {
    return new Promise((resolve, reject) => {
      const headers = { ...(token && { 'x-vault-token': token }) };
      const url = `${this.address}/v1/${where}`;
      const request = https.request(url, { method, headers, ca: this.#ca, agent: false, family: 4 }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => (text += part));
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body: text && JSON.parse(text) }));
      });
      request.once('error', reject);
      request.end(body && JSON.stringify(body));
    });
  }

  async #run(): Promise<void> {
    const command = [vaultProgram()!];
    const args = ['server', `-config=${path.join(this.#folder, 'vault.json')}`];
    const program = run(this.#t, 'vault', args, { folder: this.#folder, command });
    this.#program = program;
    await until('Vault', async () => {
      program.check();
      return (await this.request('GET', 'sys/seal-status')).status === 200 || undefined;
    });
  }

  async #unseal(): Promise<void> {
    await this.request('PUT', 'sys/unseal', { key: this.#unsealKey });
    await until('Vault is active', async () => (await this.request('GET', 'sys/health')).status === 200 || undefined);
  }
}
