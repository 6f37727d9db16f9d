import fs from 'node:fs';
import path from 'node:path';
import { UserError } from '../base/errors.ts';
import { LOCAL_TOKEN_ISSUER, TokenIssuer } from '../ca/tokens/token-issuer.ts';
import type { TokenRequest } from '../config/control/mesh-api.ts';
import type { MeshFolder } from './mesh-folder.ts';

/** Kubernetes' own least, and what no invitation should outlast. */
const MIN_TOKEN_MS = 600_000;
const MAX_TOKEN_MS = 366 * 86_400_000;

/** What workloads that do not run on this machine get of the mesh before they are members: trust, and a token. */
export class OutsideWorkloads {
  readonly #folder: MeshFolder;
  #tokens: Promise<TokenIssuer> | undefined = undefined;

  constructor(folder: MeshFolder) {
    this.#folder = folder;
  }

  /** Roots of the mesh in PEM: of an authority that was plugged in, if one was, otherwise of the mesh's own. */
  rootCertificate(): string {
    const plugged = path.join(this.#folder.cacerts, 'root-cert.pem');
    const own = path.join(this.#folder.state, 'ca', 'root-cert.pem');
    return fs.readFileSync(fs.existsSync(plugged) ? plugged : own, 'utf8');
  }

  /** A token for a service account. Throws a UserError for names and times that cannot be. */
  async issueToken({ namespace, serviceAccount, ttlMs }: TokenRequest): Promise<string> {
    if (!(ttlMs >= MIN_TOKEN_MS && ttlMs <= MAX_TOKEN_MS))
      throw new UserError('a token is valid for 10 minutes at least and for a year at most');
    this.#tokens ??= TokenIssuer.open(path.join(this.#folder.state, 'tokens'), { issuer: LOCAL_TOKEN_ISSUER });
    return (await this.#tokens).issue({ namespace, serviceAccount, ttlMs });
  }
}
