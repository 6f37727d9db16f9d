import type { GrpcCode } from '../../wire/grpc/transport.ts';

interface Request {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Address of the peer, as the transport gave it. */
  readonly peer: string;
  /** SPIFFE ID of the caller, once that is proven. */
  readonly caller?: string;
  /** SPIFFE ID of the workload that the caller asks for, if that is another one. */
  readonly onBehalfOf?: string;
  readonly via?: 'token' | 'certificate';
}

export interface IssuanceRecord extends Request {
  readonly outcome: 'issued';
  /** Serial number, hexadecimal. */
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of the certified public key (SubjectPublicKeyInfo), hexadecimal. */
  readonly publicKey: string;
}

export interface RefusalRecord extends Request {
  readonly outcome: 'refused';
  readonly code: GrpcCode;
  /** The whole reason, of which the peer may have been told less. */
  readonly reason: string;
}

/** One line per certificate issued or refused. It never holds a key, a token or a request. */
export type AuditRecord = IssuanceRecord | RefusalRecord;
