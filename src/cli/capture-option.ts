import { Option } from 'commander';
import type { Capture } from '../config/control/mesh-api.ts';

const HELP =
  'how programs get to their sidecars: explicit tells them of it; netns gives them networks of their own, userns without root';

/** How programs get to their sidecars. */
export function captureOption(otherwise: Capture | undefined): Option {
  const option = new Option('--capture <way>', HELP).choices(['explicit', 'netns', 'userns']);
  return otherwise === undefined ? option : option.default(otherwise);
}
