import crypto from 'node:crypto';
import type net from 'node:net';
import type tls from 'node:tls';
import type { Alert } from './alerts.ts';

const ContentType = { Alert: 21, ApplicationData: 23 } as const;
const FATAL = 2;
const TLS_1_2 = [3, 3] as const;

/** Lines of the key log that hold the secret under which this side's next record goes out (RFC 9850 section 2.1). */
const LABELS = { server: 'SERVER_TRAFFIC_SECRET_0 ', client: 'CLIENT_HANDSHAKE_TRAFFIC_SECRET ' } as const;

/** TLS 1.3 cipher suites: AEAD, length of its key, hash (RFC 8446 appendix B.4). */
const SUITES: Readonly<Record<string, readonly [crypto.CipherGCMTypes, number, string]>> = {
  TLS_AES_128_GCM_SHA256: ['aes-128-gcm', 16, 'sha256'],
  TLS_AES_256_GCM_SHA384: ['aes-256-gcm', 32, 'sha384'],
  TLS_CHACHA20_POLY1305_SHA256: ['chacha20-poly1305' as crypto.CipherGCMTypes, 32, 'sha256'],
};
const TAG_LENGTH = 16;
const NONCE_LENGTH = 12;

/**
 * Tells a peer that was not admitted why, which Node has no call for.
 *
 * It has to be used from within the event `secure`. At that moment a server under TLS 1.3 has sent nothing under its
 * application keys (tickets go out after the event), and under TLS 1.2 in a full handshake its ChangeCipherSpec still
 * waits to be sent, so that an alert in the clear is what the client expects next. A client under TLS 1.3 has not
 * sent anything under its handshake keys. In every other state the connection just ends.
 */
export class AlertWriter {
  readonly #side: 'server' | 'client';
  readonly #socket: tls.TLSSocket;
  readonly #label: Buffer;
  readonly #onKeylog = (line: Buffer): void => {
    if (line.subarray(0, this.#label.length).equals(this.#label)) this.#secret = secretOf(line);
    line.fill(0);
  };
  #secret: Buffer | undefined = undefined;

  constructor(socket: tls.TLSSocket, side: 'server' | 'client') {
    this.#socket = socket;
    this.#side = side;
    this.#label = Buffer.from(LABELS[side]);
    socket.on('keylog', this.#onKeylog);
  }

  /** Writes the alert to the socket under the TLS socket, if this side can. The connection has to be destroyed then. */
  send(raw: net.Socket, alert: Alert): void {
    const record = this.#record(alert);
    if (record !== undefined && !raw.destroyed && raw.writable) raw.write(record);
    this.forget();
  }

  /** Wipes the secret; to be called when the handshake is over. */
  forget(): void {
    this.#socket.removeListener('keylog', this.#onKeylog);
    this.#secret?.fill(0);
    this.#secret = undefined;
  }

  #record(alert: Alert): Buffer | undefined {
    const socket = this.#socket;
    const version = socket.getProtocol();
    if (version === 'TLSv1.3') {
      const suite = SUITES[socket.getCipher().standardName];
      return this.#secret && suite && encryptedAlert(this.#secret, suite, alert);
    }
    if (version !== 'TLSv1.2' || this.#side !== 'server' || socket.isSessionReused()) return undefined;
    return Buffer.from([ContentType.Alert, ...TLS_1_2, 0, 2, FATAL, alert]);
  }
}

/** An alert to who has not begun a handshake: such a record has the version of TLS 1.0, as from BoringSSL. */
export function plainAlert(alert: Alert): Buffer {
  return Buffer.from([ContentType.Alert, 3, 1, 0, 2, FATAL, alert]);
}

/** The first record under a traffic secret, which is sequence number 0 (RFC 8446 sections 5.2 and 7.3). */
function encryptedAlert(
  secret: Buffer,
  [cipher, keyLength, hash]: readonly [crypto.CipherGCMTypes, number, string],
  alert: Alert,
): Buffer {
  const key = expandLabel(hash, secret, 'key', keyLength);
  const nonce = expandLabel(hash, secret, 'iv', NONCE_LENGTH);
  const inner = Buffer.from([FATAL, alert, ContentType.Alert]);
  const header = Buffer.from([ContentType.ApplicationData, ...TLS_1_2, 0, inner.length + TAG_LENGTH]);
  const aead = crypto.createCipheriv(cipher, key, nonce, { authTagLength: TAG_LENGTH });
  aead.setAAD(header, { plaintextLength: inner.length });
  const record = Buffer.concat([header, aead.update(inner), aead.final(), aead.getAuthTag()]);
  key.fill(0);
  nonce.fill(0);
  return record;
}

/** HKDF-Expand-Label with an empty context, for lengths up to that of the hash (RFC 8446 section 7.1). */
function expandLabel(hash: string, secret: Buffer, label: string, length: number): Buffer {
  const name = `tls13 ${label}`;
  const info = Buffer.concat([
    Buffer.from([length >> 8, length & 255, name.length]),
    Buffer.from(name),
    Buffer.from([0, 1]),
  ]);
  return crypto.createHmac(hash, secret).update(info).digest().subarray(0, length);
}

/** The last word of a line, from hexadecimal, without making a string of it that could not be wiped. */
function secretOf(line: Buffer): Buffer {
  let end = line.length;
  while (end > 0 && line[end - 1] <= 0x20) end--;
  const start = line.lastIndexOf(0x20, end - 1) + 1;
  const secret = Buffer.alloc((end - start) >> 1);
  for (let i = 0; i < secret.length; i++)
    secret[i] = (digit(line[start + 2 * i]) << 4) | digit(line[start + 2 * i + 1]);
  return secret;
}

const digit = (char: number): number => (char <= 0x39 ? char - 0x30 : (char | 0x20) - 0x61 + 10);
