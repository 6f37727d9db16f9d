const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** How long a time ago something was, as kubectl's AGE column shows it: precise when young, coarse when old. */
export function formatAge(milliseconds: number): string {
  const age = Math.max(0, milliseconds);
  const whole = (unit: number) => Math.floor(age / unit);
  const both = (unit: number, name: string, part: number, partName: string) => {
    const rest = Math.floor((age % unit) / part);
    return `${whole(unit)}${name}${rest === 0 ? '' : `${rest}${partName}`}`;
  };
  if (age < 2 * MINUTE) return `${whole(SECOND)}s`;
  if (age < 10 * MINUTE) return both(MINUTE, 'm', SECOND, 's');
  if (age < 3 * HOUR) return `${whole(MINUTE)}m`;
  if (age < 8 * HOUR) return both(HOUR, 'h', MINUTE, 'm');
  if (age < 2 * DAY) return `${whole(HOUR)}h`;
  if (age < 8 * DAY) return both(DAY, 'd', HOUR, 'h');
  if (age < 2 * YEAR) return `${whole(DAY)}d`;
  if (age < 8 * YEAR) return both(YEAR, 'y', DAY, 'd');
  return `${whole(YEAR)}y`;
}
