/** Fields that are durations, which are a message of their own in protobuf; specs have milliseconds. */
const DURATIONS: ReadonlySet<string> = new Set(['fixedDelay', 'exponentialDelay']);

/** The fields of what is printed, in the order in which the messages of Istio's API declare them. */
const ORDER: readonly string[] = [
  'delay',
  'abort',
  'percent',
  'fixedDelay',
  'exponentialDelay',
  'httpStatus',
  'grpcStatus',
  'http2Error',
  'percentage',
  'value',
  'destinationSubnets',
  'port',
  'sourceSubnet',
  'sourceLabels',
  'gateways',
  'sourceNamespace',
];

/** Maps of people's own keys. */
const MAPS: ReadonlySet<string> = new Set(['sourceLabels']);

/**
 * A part of a spec (`HTTPFaultInjection`, `L4MatchAttributes`) in protobuf's text format on one line, which istioctl
 * prints: `delay:{fixed_delay:{seconds:7} percentage:{value:100}}`.
 */
export function protoText(message: object): string {
  return Object.entries(message)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b))
    .flatMap(([name, value]) => fieldText(name, value))
    .join(' ');
}

function fieldText(name: string, value: unknown): string[] {
  const field = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  if (Array.isArray(value)) return value.map((item) => `${field}:${valueText(name, item)}`);
  if (MAPS.has(name)) {
    const entries = Object.entries(value as Record<string, string>).sort(([a], [b]) => (a < b ? -1 : 1));
    return entries.map(([key, of]) => `${field}:{key:${JSON.stringify(key)} value:${JSON.stringify(of)}}`);
  }
  return [`${field}:${valueText(name, value)}`];
}

function valueText(name: string, value: unknown): string {
  if (DURATIONS.has(name) && typeof value === 'number') return durationText(value);
  if (typeof value === 'object' && value !== null) return `{${protoText(value)}}`;
  return JSON.stringify(value);
}

/** A `google.protobuf.Duration`; what is zero is left out. */
function durationText(ms: number): string {
  const [seconds, nanos] = [Math.floor(ms / 1000), Math.round((ms % 1000) * 1_000_000)];
  return `{${[...(seconds > 0 ? [`seconds:${seconds}`] : []), ...(nanos > 0 ? [`nanos:${nanos}`] : [])].join(' ')}}`;
}
