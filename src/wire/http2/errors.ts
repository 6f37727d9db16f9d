import { ErrorCode } from './constants.ts';

/** A breach of the protocol that the connection cannot survive (RFC 9113 section 5.4.1). */
export interface ConnectionError {
  readonly code: ErrorCode;
  /** A short stable word for logs. */
  readonly details: string;
}

export const protocolError = (details: string): ConnectionError => ({ code: ErrorCode.ProtocolError, details });
export const frameSizeError = (details: string): ConnectionError => ({ code: ErrorCode.FrameSizeError, details });
export const flowControlError = (details: string): ConnectionError => ({ code: ErrorCode.FlowControlError, details });
export const flood = (details: string): ConnectionError => ({ code: ErrorCode.EnhanceYourCalm, details });
