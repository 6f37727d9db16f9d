import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported } from '../config/supported.ts';
import { SUPPORTED } from './supported.ts';

/** Makes a transport of a TLS context, unless something is wrong with that, which is in the errors then. */
export function checkedTransport<T extends { close(): void }>(
  schema: DescMessage,
  proto: Message,
  errors: ConfigErrors,
  make: () => T,
): T | undefined {
  const before = errors.list.length;
  checkSupported(schema, proto, SUPPORTED, errors);
  if (errors.list.length > before) return undefined;
  const transport = make();
  if (errors.list.length === before) return transport;
  transport.close();
  return undefined;
}
