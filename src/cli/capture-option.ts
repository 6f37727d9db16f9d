import { Option } from 'commander';
import type { Capture } from '../config/control/mesh-api.ts';

/** How programs get to their sidecars. */
export function captureOption(otherwise: Capture | undefined): Option {
  const option = new Option('--capture <way>', 'how programs get to their sidecars: explicit tells them of it').choices(
    ['explicit', 'netns'],
  );
  return otherwise === undefined ? option : option.default(otherwise);
}
