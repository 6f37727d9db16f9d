import { UserError } from '../../base/errors.ts';
import { parseHostPort } from '../environment/values.ts';

/** Where discovery is, and how it proves who it is. */
export interface Discovery {
  readonly host: string;
  readonly port: number;
  /** What its certificate must be for; undefined is plaintext. */
  readonly serverName: string | undefined;
}

const PLAINTEXT_PORT = 15010;

/**
 * Reads the address of a control plane. It is in clear on port 15010, or where `controlPlaneAuthPolicy` is NONE; else it
 * is proven by certificates, for `san` or the host. `what` is what a UserError calls the address.
 */
export function discoveryOf(
  address: string,
  what: string,
  policy: string | undefined,
  san: string | undefined,
): Discovery {
  const target = parseHostPort(address);
  if (!target) throw new UserError(`${what} must be of the form host:port, not ${JSON.stringify(address)}.`);
  const { host, port } = target;
  const secure = port !== PLAINTEXT_PORT && policy !== 'NONE';
  return { host, port, serverName: secure ? (san ?? host) : undefined };
}
