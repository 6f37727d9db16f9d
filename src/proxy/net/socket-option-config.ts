import {
  type SocketOption as Proto,
  SocketOption_SocketState as State,
} from '../../api/gen/envoy/config/core/v3/socket_option_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { SupportTable } from '../config/supported.ts';
import { integer, type SocketOption } from './socket-options.ts';

export const SOCKET_OPTIONS: SupportTable = {
  'envoy.config.core.v3.SocketOption': ['description', 'level', 'name', 'int_value', 'buf_value', 'state'],
  'envoy.config.core.v3.SocketOptionsOverride': ['socket_options'],
};

const STATES: Readonly<Record<State, SocketOption['state']>> = {
  [State.STATE_PREBIND]: 'prebind',
  [State.STATE_BOUND]: 'bound',
  [State.STATE_LISTENING]: 'listening',
};

const INT_MAX = 2n ** 31n - 1n;

/** Reads `socket_options`, whose numbers are those of the kernel: nobody checks what they mean. */
export function socketOptions(protos: readonly Proto[], errors: ConfigErrors): SocketOption[] {
  return protos.map(({ level, name, value, state }, i) => {
    const at = errors.at(i);
    for (const [field, number] of [
      ['level', level],
      ['name', name],
    ] as const) {
      if (number < 0n || number > INT_MAX) at.add(field, 'is no number of an option');
    }
    if (value.case === 'intValue' && (value.value > INT_MAX || value.value < -INT_MAX - 1n)) {
      at.add('int_value', 'does not fit into 32 bits');
    }
    if (value.case === undefined) at.add('', 'int_value or buf_value is needed');
    const bytes = value.case === 'bufValue' ? value.value : integer(Number(value.value ?? 0n));
    return { level: Number(level), name: Number(name), value: bytes, state: STATES[state] };
  });
}
