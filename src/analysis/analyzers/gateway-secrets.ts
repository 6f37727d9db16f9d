import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { certificateProblem, keyProblem, pairOf } from '../credential.ts';
import { fullName, parseReference, type Resource } from '../resource.ts';
import { firstLabel, formatSelector, selects } from '../selectors.ts';

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
  description: 'Checks that secrets of gateways have a certificate that is valid, and the key that belongs to it',
  analyze(context) {
    for (const gateway of context.list('Gateway')) {
      for (const { secret } of credentialsOf(gateway, context)) {
        if (secret === undefined) continue;
        const pair = pairOf(secret);
        const problem = certificateProblem(secret, context.now) ?? (pair && keyProblem(pair));
        if (problem === undefined) continue;
        const parameters = [fullName(secret), fullName(gateway), problem.text];
        context.report('ISTH0003', secret, parameters, problem.path);
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
      const short = reference.replace(/^kubernetes:\/\//, '');
      // Certificates that the proxy gets from elsewhere.
      if (short.includes('://')) return [];
      const { namespace, name } = parseReference(short, home);
      return [{ reference, path: place, secret: context.find('Secret', namespace, name) }];
    });
  });
}

/** The namespace of the pods that a Gateway selects; they are taken to be in one. */
function workloadNamespace({ spec }: Resource<'Gateway'>, context: AnalysisContext): string | undefined {
  return context.workloads.find(({ labels }) => selects(spec.selector, labels))?.namespace;
}
