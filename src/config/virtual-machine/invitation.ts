import { UserError } from '../../base/errors.ts';

/** What a machine needs to know to ask a mesh for its files, as one word that a person can hand on. */
export interface Invitation {
  /** Where the mesh takes machines in. */
  readonly host: string;
  readonly port: number;
  /** SHA-256 of the certificate (DER) that the mesh shows there. */
  readonly fingerprint: Buffer;
  /** Proves that the machine was invited; good once. */
  readonly secret: Buffer;
}

export const SECRET_BYTES = 16;
const FINGERPRINT_BYTES = 32;
const PREFIX = 'isthmus1-';

export function formatInvitation({ host, port, fingerprint, secret }: Invitation): string {
  const at = Buffer.alloc(2);
  at.writeUInt16BE(port);
  return PREFIX + Buffer.concat([secret, fingerprint, at, Buffer.from(host)]).toString('base64url');
}

/** Throws a UserError for what is no code, or not the whole of one. */
export function parseInvitation(code: string): Invitation {
  const bytes = Buffer.from(code.startsWith(PREFIX) ? code.slice(PREFIX.length) : '', 'base64url');
  const end = SECRET_BYTES + FINGERPRINT_BYTES;
  const host = bytes.subarray(end + 2).toString();
  if (bytes.length <= end + 2 || bytes.length > end + 2 + 253 || !/^[\w.:-]+$/.test(host))
    throw new UserError(`this is no code of "isthmus vm invite", which begins with ${PREFIX}; copy the whole of it`);
  return {
    host,
    port: bytes.readUInt16BE(end),
    fingerprint: bytes.subarray(SECRET_BYTES, end),
    secret: bytes.subarray(0, SECRET_BYTES),
  };
}

/** `POST /look`: what the machine would be. */
export interface LookResponse {
  readonly namespace: string;
  readonly group: string;
  /** Where the control plane is reached. */
  readonly discovery: string;
  /** On which the mesh will call the machine. */
  readonly ports: readonly number[];
}

/** `POST /check`: the mesh connects to these ports, where the machine answers with `nonce` for as long. */
export interface CheckRequest {
  readonly secret: string;
  readonly ip: string;
  readonly ports: readonly number[];
  readonly nonce: string;
}

export interface CheckResponse {
  /** What is in the way, by port. */
  readonly problems: readonly { readonly port: number; readonly problem: string }[];
}

/** `POST /join`: the files, as `workload entry configure` writes them. The code is used up. */
export interface JoinRequest {
  readonly secret: string;
  readonly ip: string;
}

export interface JoinResponse {
  readonly files: Readonly<Record<string, string>>;
}
