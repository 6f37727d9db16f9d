import { formatAddress } from '../net/connection.ts';
import { addressJson } from './config-dump/endpoints.ts';
import { type AdminHandler, JSON_TYPE, pretty } from './handler.ts';

export const listeners: AdminHandler = {
  path: '/listeners',
  help: 'print listeners and where they listen',
  parameters: [{ id: 'format', help: 'Format to use', choices: ['text', 'json'] }],
  run({ listeners }, query) {
    const all = [...listeners.listening()];
    if (query.get('format') !== 'json') {
      const lines = all.flatMap(({ name, addresses }) => addresses.map((at) => `${name}::${formatAddress(at)}\n`));
      return { body: lines.join('') };
    }
    const statuses = all.map(({ name, addresses: [main, ...additional] }) => ({
      name,
      ...(main && { local_address: addressJson(main) }),
      ...(additional.length > 0 && { additional_local_addresses: additional.map(addressJson) }),
    }));
    const body = `${pretty(statuses.length > 0 ? { listener_statuses: statuses } : {})}\n`;
    return { type: JSON_TYPE, body };
  },
};
