/** `3649d23h`, `23h59m`, `59m`, `45s`, or how long ago it ended. `ms` is what is left. */
export function formatLeft(ms: number): string {
  if (ms < 0) return `expired ${formatLeft(-ms)} ago`;
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days > 0) return `${days}d${hours}h`;
  if (hours > 0) return `${hours}h${minutes % 60}m`;
  return minutes > 0 ? `${minutes}m` : `${seconds}s`;
}

/** `2030-01-31 23:59`, UTC. */
export const formatMinute = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
