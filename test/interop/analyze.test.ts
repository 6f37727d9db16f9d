import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { referenceProgram, withoutReference } from '../support/reference.ts';

const FIXTURES = fileURLToPath(new URL('./analyze/', import.meta.url));
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** What istioctl runs where it has no cluster: the others need kinds that it reads from one alone. */
const ANALYZERS = [
  'authn.BlockedCIDRsAnalyzer',
  'destinationrule.CaCertificateAnalyzer',
  'deprecation.DeprecationAnalyzer',
  'envoyfilter.EnvoyPatchAnalyzer',
  'externalcontrolplane.ExternalControlPlaneAnalyzer',
  'gateway.CertificateAnalyzer',
  'k8sgateway.CRDVersionAnalyzer',
  'virtualservice.ConflictingMeshGatewayHostsAnalyzer',
  'virtualservice.DestinationRuleAnalyzer',
  'virtualservice.GatewayAnalyzer',
  'serviceentry.Analyzer',
  'serviceentry.ConflictingServiceEntryProtocolAnalyzer',
  'telemetry.ProviderAnalyzer',
  'telemetry.DefaultSelectorAnalyzer',
  'telemetry.LightstepAnalyzer',
  ...[
    'AuthorizationPolicy',
    'DestinationRule',
    'EnvoyFilter',
    'Gateway',
    'PeerAuthentication',
    'ProxyConfig',
    'RequestAuthentication',
    'ServiceEntry',
    'Sidecar',
    'Telemetry',
    'TrafficExtension',
    'VirtualService',
    'WasmPlugin',
    'WorkloadEntry',
    'WorkloadGroup',
    'MeshNetworks',
    'MeshConfig',
  ].map((kind) => `schema.ValidationAnalyzer.${kind}`),
];

const TELEMETRIES = (names: string) =>
  `The Telemetries [${names}] in namespace "a" have no workload selector, which can lead to undefined behavior.`;

/**
 * Where one says what the other does not. A Telemetry with targetRefs does not hold for its whole namespace, although it
 * has no selector: istioctl takes it for one that does.
 */
const DIFFERENCES: Readonly<Record<string, { istioctl: readonly string[]; ours: readonly string[] }>> = {
  'others.yaml': {
    istioctl: ['attached', 'default-one', 'default-two'].map(
      (name) => `IST0160 Error Telemetry a/${name} ${TELEMETRIES('attached default-one default-two')}`,
    ),
    ours: ['default-one', 'default-two'].map(
      (name) => `IST0160 Error Telemetry a/${name} ${TELEMETRIES('default-one default-two')}`,
    ),
  },
};

/** Codes whose words are each program's own: what a field must be. */
const OWN_WORDS = new Set(['IST0106', 'IST0133']);

interface Printed {
  readonly code: string;
  readonly level: string;
  readonly message: string;
  readonly origin: string;
  readonly reference?: string;
}

async function messagesOf(program: string, args: readonly string[]): Promise<string[]> {
  const all = [...args, '--use-kube=false', '-A', '-o', 'json'];
  const { stdout } = await promisify(execFile)(program, all, { cwd: FIXTURES, timeout: 60_000 });
  // istioctl writes its log there as well, in lines before the list.
  const messages = JSON.parse(stdout.slice(stdout.search(/^\[(\n|\])/m))) as Printed[];
  return messages.map(({ code, level, message, origin }) =>
    OWN_WORDS.has(code) ? `${code} ${level} ${origin}` : `${code} ${level} ${origin} ${message}`,
  );
}

for (const file of readdirSync(FIXTURES)) {
  test(`istioctl analyze says the same of ${file}`, { skip: withoutReference }, async () => {
    const istioctl = await messagesOf(referenceProgram('istioctl'), ['analyze', file]);
    const chosen = ANALYZERS.flatMap((name) => ['--analyzer', name]);
    const ours = await messagesOf(process.execPath, [MAIN, 'analyze', file, ...chosen]);
    assert.ok(istioctl.length > 0, 'istioctl finds something');
    const without = (messages: readonly string[], others: readonly string[]) =>
      [...new Set(messages)].filter((message) => !others.includes(message)).sort();
    assert.deepEqual(
      { istioctl: without(istioctl, ours), ours: without(ours, istioctl) },
      DIFFERENCES[file] ?? { istioctl: [], ours: [] },
    );
  });
}
