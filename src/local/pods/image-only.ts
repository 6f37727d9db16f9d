import type { Container } from '../../config/kinds/shared/pod-spec.ts';

/** What to say of a container that has nothing to run on this machine. */
export function imageOnly({ name, image }: Container): string {
  const what = image ? `only an image (${image})` : 'no command';
  return `container ${name} has ${what}: images are not pulled, so give it a command that this machine can run`;
}
