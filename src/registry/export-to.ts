/** `exportTo` of an object of `namespace` as a set in which `.` is the namespace's name; undefined when it has none. */
export function exportToOf(
  exportTo: readonly string[] | undefined,
  namespace: string,
): ReadonlySet<string> | undefined {
  if (exportTo === undefined || exportTo.length === 0) return undefined;
  return new Set(exportTo.map((item) => (item === '.' ? namespace : item)));
}
