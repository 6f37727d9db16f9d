import { FreeForm, type Message, type Printable } from '../output/json.ts';
import { formatTable } from '../output/table.ts';
import { numberAt, textAt, valueAt } from './fields.ts';

/** The lines of `proxy-config bootstrap -o short`: which versions the proxy says it is of. */
export function summarizeBootstrap(section: Message): string {
  const metadata = free(valueAt(section, 'bootstrap', 'node', 'metadata'));
  const rows: string[][] = [];
  const istio = textAt(metadata, 'ISTIO_VERSION');
  if (istio !== '') rows.push(['Istio Version:', istio]);
  const sha = textAt(metadata, 'ISTIO_PROXY_SHA');
  if (sha !== '') rows.push(['Istio Proxy Version:', sha.includes(':') ? sha.split(':')[1]! : sha]);
  rows.push(['Envoy Version:', describeBuild(section)]);
  return formatTable(rows, 1);
}

function describeBuild(section: Message): string {
  const build = ['bootstrap', 'node', 'userAgentBuildVersion'];
  const numbers = ['majorNumber', 'minorNumber', 'patch'].map((part) => numberAt(section, ...build, 'version', part));
  const metadata = free(valueAt(section, ...build, 'metadata'));
  const parts: readonly (readonly [separator: string, key: string])[] = [
    ['-', 'build.label'],
    ['/', 'revision.status'],
    ['/', 'build.type'],
    ['/', 'ssl.version'],
  ];
  const described = parts.flatMap(([separator, key]) =>
    valueAt(metadata, key) === undefined ? [] : [separator + textAt(metadata, key)],
  );
  return numbers.join('.') + described.join('');
}

function free(value: Printable | undefined): Printable | undefined {
  return value instanceof FreeForm ? value.value : undefined;
}
