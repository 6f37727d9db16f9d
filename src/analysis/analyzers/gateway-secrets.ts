import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { type CredentialProblem, caProblem, certificateProblem, keyProblem, pairOf } from '../credential.ts';
import { fullName, parseReference, type Resource } from '../resource.ts';
import { firstLabel, formatSelector, selects } from '../selectors.ts';

/** Appended to the name of a secret, the name of one for the CA of clients. */
const CA_SUFFIX = '-cacert';

/** Secrets that Gateways name: missing, or without a certificate that is valid today. */
export const gatewaySecretsAnalyzer: Analyzer = {
  name: 'gateway.SecretAnalyzer',
  description: "Checks a gateway's referenced secrets for correctness",
  analyze(context) {
    for (const gateway of context.list('Gateway')) {
      const { selector } = gateway.spec;
      if (workloadNamespace(gateway, context) === undefined) {
        const place = ['spec', 'selector', firstLabel(selector)];
        context.report('IST0101', gateway, ['selector', formatSelector(selector)], place);
        continue;
      }
      for (const { reference, path, secret } of credentialsOf(gateway, context)) {
        if (secret === undefined) {
          if (context.knows('Secret')) context.report('IST0101', gateway, ['credentialName', reference], path);
        } else if (certificateProblem(secret, context.now) !== undefined) {
          context.report('IST0161', gateway, [gateway.name, workloadNamespace(gateway, context)!], path);
        }
      }
    }
  },
};

/** What exactly is wrong with such a secret, told where the secret stands. */
export const gatewayCredentialsAnalyzer: Analyzer = {
  name: 'isthmus.GatewayCredentialAnalyzer',
  description:
    'Checks that secrets of gateways have a certificate that is valid, the key that belongs to it, and the CA of clients',
  analyze(context) {
    for (const gateway of context.list('Gateway')) {
      const report = (secret: Resource<'Secret'>, problem: CredentialProblem | undefined) => {
        if (problem === undefined) return;
        context.report('ISTH0003', secret, [fullName(secret), fullName(gateway), problem.text], problem.path);
      };
      for (const { secret } of credentialsOf(gateway, context)) {
        if (secret === undefined) continue;
        const pair = pairOf(secret);
        report(secret, certificateProblem(secret, context.now) ?? (pair && keyProblem(pair)));
      }
      for (const { reference, path, secret } of clientCasOf(gateway, context)) {
        if (secret !== undefined) report(secret, caProblem(secret));
        else if (context.knows('Secret')) context.report('IST0101', gateway, ['caCertCredentialName', reference], path);
      }
    }
  },
};

interface Credential {
  readonly reference: string;
  readonly path: readonly (string | number)[];
  readonly secret: Resource<'Secret'> | undefined;
}

/** The secrets that a Gateway refers to. They are looked for in the namespace of its workload. */
function credentialsOf(gateway: Resource<'Gateway'>, context: AnalysisContext): Credential[] {
  const home = workloadNamespace(gateway, context);
  if (home === undefined) return [];
  return (gateway.spec.servers ?? []).flatMap(({ tls }, i) => {
    const path = ['spec', 'servers', i, 'tls'];
    const references: [string, (string | number)[]][] = [];
    if (tls?.credentialName) references.push([tls.credentialName, [...path, 'credentialName']]);
    for (const [j, name] of (tls?.credentialNames ?? []).entries())
      references.push([name, [...path, 'credentialNames', j]]);
    return references.flatMap(([reference, place]) => {
      const found = find(reference, home, context);
      return found === undefined ? [] : [{ reference, path: place, ...found }];
    });
  });
}

/** The secrets against which certificates of clients are held: one of their own, or that of the server's certificate. */
function clientCasOf(gateway: Resource<'Gateway'>, context: AnalysisContext): Credential[] {
  const home = workloadNamespace(gateway, context);
  if (home === undefined) return [];
  return (gateway.spec.servers ?? []).flatMap(({ tls }, i) => {
    if (tls?.mode !== 'MUTUAL' && tls?.mode !== 'OPTIONAL_MUTUAL') return [];
    const own = tls.caCertCredentialName;
    const reference = own || tls.credentialName || tls.credentialNames?.[0];
    if (!reference) return [];
    const path = ['spec', 'servers', i, 'tls', 'caCertCredentialName'];
    const found = find(reference, home, context);
    if (own) {
      const short = own.endsWith(CA_SUFFIX) ? find(own.slice(0, -CA_SUFFIX.length), home, context) : undefined;
      return found === undefined ? [] : [{ reference, path, secret: found.secret ?? short?.secret }];
    }
    const beside = find(`${reference}${CA_SUFFIX}`, home, context);
    const secret = beside?.secret ?? found?.secret;
    // A server's secret that is missing is told of as such.
    return secret === undefined ? [] : [{ reference, path, secret }];
  });
}

/** The secret that a reference means, or undefined for what the proxy gets from elsewhere. */
function find(
  reference: string,
  home: string,
  context: AnalysisContext,
): { readonly secret: Resource<'Secret'> | undefined } | undefined {
  const short = reference.replace(/^kubernetes:\/\//, '');
  if (short.includes('://')) return undefined;
  const { namespace, name } = parseReference(short, home);
  return { secret: context.find('Secret', namespace, name) };
}

/** The namespace of the pods that a Gateway selects; they are taken to be in one. */
function workloadNamespace({ spec }: Resource<'Gateway'>, context: AnalysisContext): string | undefined {
  return context.workloads.find(({ labels }) => selects(spec.selector, labels))?.namespace;
}
