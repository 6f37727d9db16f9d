/** A command as it is run behind the words that lead into a space. */
export function within(
  enter: readonly string[],
  command: string,
  args: readonly string[],
): { readonly command: string; readonly args: readonly string[] } {
  const [first, ...rest] = enter;
  return first === undefined ? { command, args } : { command: first, args: [...rest, '--', command, ...args] };
}
