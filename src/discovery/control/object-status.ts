import type { ObjectState } from '../../config/control/api.ts';
import type { ConfigMessage } from '../../config/message.ts';

/** Kinds whose objects carry what the mesh thinks of them, as EnRoute's CRDs have it. */
const WITH_STATUS: ReadonlySet<string> = new Set(['GatewayHost', 'PolicyOverlay']);

/** An object with its status: valid, or what is to be said of it. */
export function withStatus(state: ObjectState, warnings: readonly ConfigMessage[]): ObjectState {
  if (!WITH_STATUS.has(state.kind)) return state;
  const about = warnings.filter(({ key }) => key === state.key);
  const description = about.map(({ field, message }) => (field === undefined ? message : `${field} ${message}`));
  const status =
    about.length === 0
      ? { currentStatus: 'valid', description: `valid ${state.kind}` }
      : { currentStatus: 'invalid', description: description.join('; ') };
  return { ...state, raw: { ...state.raw, status } };
}
