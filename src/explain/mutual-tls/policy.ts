import type { DestinationRuleSpec } from '../../config/kinds/destination-rule/schema.ts';
import type { PeerAuthenticationSpec } from '../../config/kinds/peer-authentication/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { hostsMatch, resolveShortName } from '../../registry/host.ts';
import { isEmpty, type Labels } from '../../registry/labels.ts';
import { type MutualTlsMode, PeerAuthenticationIndex } from '../../translate/index/peer-authentication.ts';
import { PolicyIndex } from '../../translate/index/policy-match.ts';
import type { Pair } from './pairs.ts';

type PeerAuthentication = ConfigObject<PeerAuthenticationSpec>;
type DestinationRule = ConfigObject<DestinationRuleSpec>;

/** The objects of a mesh that say whether connections are encrypted. */
export interface SecurityObjects {
  /** Oldest first. */
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly destinationRules: readonly DestinationRule[];
  readonly rootNamespace: string;
  readonly domain: string;
  /** Labels of a workload's pods; undefined if it is not there any more. */
  labelsOf(namespace: string, workload: string): Labels | undefined;
}

/** A mode, and the object that says so; undefined where none does, which means PERMISSIVE. */
export interface Decision {
  readonly mode: MutualTlsMode;
  readonly by: ConfigObject | undefined;
}

/** What PeerAuthentication objects say of the whole mesh. */
export function meshDecision({ peerAuthentications, rootNamespace }: SecurityObjects): Decision {
  // The oldest of a scope is the one that counts, as for workloads.
  const by = peerAuthentications.find(
    ({ metadata, spec }) => metadata.namespace === rootNamespace && isEmpty(spec.selector?.matchLabels),
  );
  const mode = new PeerAuthenticationIndex(peerAuthentications, rootNamespace).expected(rootNamespace);
  return mode === undefined ? { mode: 'PERMISSIVE', by: undefined } : { mode, by };
}

/** What a workload takes, and by which object: the narrowest scope that says something, as Istio has it. */
export function decisionFor(target: { namespace: string; labels: Labels }, objects: SecurityObjects): Decision {
  const { peerAuthentications, rootNamespace } = objects;
  const { mode } = new PeerAuthenticationIndex(peerAuthentications, rootNamespace).for(target);
  const policies = new PolicyIndex(peerAuthentications, rootNamespace).for(target);
  const scopes = [ofWorkload, ofNamespace, ofMesh].map((isIn) =>
    policies.find((policy) => isIn(policy, policy.metadata.namespace === rootNamespace)),
  );
  return { mode, by: scopes.find((policy) => policy?.spec.mtls?.mode === mode) };
}

const selectsSome = ({ spec }: PeerAuthentication) => !isEmpty(spec.selector?.matchLabels);
const ofWorkload = (policy: PeerAuthentication, inRoot: boolean) => !inRoot && selectsSome(policy);
const ofNamespace = (policy: PeerAuthentication, inRoot: boolean) => !inRoot && !selectsSome(policy);
const ofMesh = (policy: PeerAuthentication, inRoot: boolean) => inRoot && !selectsSome(policy);

/** How it came that a pair was counted without mutual TLS, as parts of a sentence; `name` is how objects are told. */
export function explainPlaintext(
  { source, destination, services }: Pair,
  objects: SecurityObjects,
  name: (object: ConfigObject) => string,
): string {
  const labels = objects.labelsOf(destination.namespace, destination.workload);
  const decision = labels && decisionFor({ namespace: destination.namespace, labels }, objects);
  return [
    clientSide(source.workload !== '', services, decision, objects, name),
    ...(decision === undefined ? [] : [serverSide(decision, name)]),
  ].join('; ');
}

function clientSide(
  hasProxy: boolean,
  services: readonly string[],
  decision: Decision | undefined,
  objects: SecurityObjects,
  name: (object: ConfigObject) => string,
): string {
  if (!hasProxy) return 'the client has shown no certificate: it has no sidecar, or goes past it';
  const { destinationRules, domain } = objects;
  const rule = destinationRules.find(
    (candidate) =>
      turnsOff(candidate) &&
      services.some((service) =>
        hostsMatch(service, resolveShortName(candidate.spec.host, candidate.metadata.namespace, domain)),
      ),
  );
  if (rule !== undefined) return `the client's sidecar does as ${name(rule)} says, which is not ISTIO_MUTUAL`;
  if (decision?.mode === 'DISABLE') return "the client's sidecar knows that the destination takes no TLS";
  return "the client's sidecar was asked for an address that belongs to no service, or automatic mutual TLS is off";
}

/** Whether a rule says of any connection that it is to be something else than mutual TLS of the mesh. */
function turnsOff({ spec: { trafficPolicy, subsets = [] } }: DestinationRule): boolean {
  return [trafficPolicy, ...subsets.map((subset) => subset.trafficPolicy)]
    .flatMap((policy) => [policy?.tls, ...(policy?.portLevelSettings ?? []).map(({ tls }) => tls)])
    .some((tls) => tls !== undefined && tls.mode !== 'ISTIO_MUTUAL');
}

function serverSide({ mode, by }: Decision, name: (object: ConfigObject) => string): string {
  if (mode === 'STRICT') return `it was counted before ${by ? name(by) : 'STRICT'} came into force`;
  if (by === undefined) return 'the destination takes it: there is no PeerAuthentication, which means PERMISSIVE';
  return `the destination takes it: ${name(by)} says ${mode}`;
}
