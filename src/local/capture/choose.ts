import { whyNoUserNamespaces } from '../../agent/capture/user-namespace.ts';
import { UserError } from '../../base/errors.ts';
import type { Capture } from '../../config/control/mesh-api.ts';
import { whyNoNamespaces } from './mesh-network.ts';

/**
 * How it is really done: where `netns` is asked for and there is no root, the way that needs none. `cables`: whether pods
 * of this mesh can have cables, which is so for all of them or for none. Throws a UserError that says why neither can be.
 */
export async function chooseCapture(asked: Capture, cables = true): Promise<Capture> {
  if (asked === 'explicit') return asked;
  const noCables = asked === 'netns' && cables ? await whyNoNamespaces() : 'pods of this mesh have none';
  if (noCables === undefined) return 'netns';
  const problem = await whyNoUserNamespaces();
  if (problem === undefined) return 'userns';
  const both = asked === 'netns' && cables ? `${noCables}; nor without root: ${problem}` : problem;
  throw new UserError(`--capture ${asked} cannot be done here: ${both}`);
}
