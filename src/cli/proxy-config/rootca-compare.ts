import { X509Certificate } from 'node:crypto';
import type { Command } from 'commander';
import { UserError } from '../../base/errors.ts';
import { failWithUsage, type Streams } from '../command.ts';
import { askAdmin, warnOfClusterFlags } from '../mesh-client.ts';
import { ConfigDump, sectionOrReason } from './config-dump.ts';
import { rootAuthorities } from './secrets.ts';
import { addSourceFlags, adminsOf, type SourceFlags } from './source.ts';

const EXAMPLES = `
Examples:
  # Whether two proxies have an authority in common, and so can know each other
  isthmus proxy-config rootca-compare catalog-6f7d-x2x7k.shop prices-5c8b-p4q9z.shop
`;

/** `isthmus proxy-config rootca-compare`: whether two workloads trust a common authority. */
export function defineRootCaCompare(group: Command, streams: Streams): void {
  const command = group.command('rootca-compare [names...]').alias('rc');
  command
    .usage('[pod/]<name-1>[.<namespace-1>] [pod/]<name-2>[.<namespace-2>] [flags]')
    .summary('Compare the authorities that two proxies trust')
    .description(
      'Compare the authorities by which two proxies know their peers. The exit code is 1 if none is common.',
    );
  addSourceFlags(command).addHelpText('after', EXAMPLES);
  command.action(async (names: string[], flags: SourceFlags) => {
    if (names.length !== 2) failWithUsage(command, streams, 'rootca-compare requires 2 pods as an argument');
    warnOfClusterFlags(command, streams);
    const [a, b] = await Promise.all(names.map((name) => authoritiesOf(name, flags)));
    const both = `Both [${a!.id}] and [${b!.id}] have the`;
    if (![...a!.roots].some((root) => b!.roots.has(root)))
      throw new UserError(`${both} non identical ROOTCA, theoretically the connectivity between them is unavailable`);
    streams.stdout.write(`${both} identical ROOTCA, theoretically the connectivity between them is available\n`);
  });
}

interface Authorities {
  readonly id: string;
  /** Fingerprints. */
  readonly roots: ReadonlySet<string>;
}

async function authoritiesOf(name: string, flags: SourceFlags): Promise<Authorities> {
  const { id, admin } = (await adminsOf(name, flags))[0]!;
  const dump = new ConfigDump(await askAdmin(admin, 'config_dump?mask=dynamic_active_secrets'));
  const pem = rootAuthorities(sectionOrReason(dump, 'SecretsConfigDump', `${id} has no secrets`));
  const blocks = pem?.match(/-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----/gs) ?? [];
  if (blocks.length === 0) throw new UserError(`${id} has no secret ROOTCA with certificates in it`);
  return { id, roots: new Set(blocks.map((block) => new X509Certificate(block).fingerprint256)) };
}
