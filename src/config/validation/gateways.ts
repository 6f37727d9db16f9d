import type { Report } from '../report.ts';
import {
  checkDnsName,
  checkIpAddress,
  checkWildcardName,
  hasPartialWildcard,
  isHostLabel,
  isIpAddress,
} from './hosts.ts';
import { checkUnixPath, UNIX_PREFIX } from './scalars.ts';

/** The rules for `gateways`: `mesh`, a name, or `namespace/name`. Those made from Gateway API may have dots in the name. */
export function validateGatewayNames(
  gateways: readonly string[] | undefined,
  report: Report,
  isConverted = false,
): void {
  for (const [i, gateway] of (gateways ?? []).entries()) {
    const slash = gateway.indexOf('/');
    if (slash === -1) {
      if (gateway.includes('.')) {
        const [name, namespace] = gateway.split('.');
        report.warning(`is the old form of a gateway's name; write ${namespace}/${name}`, i);
      }
      report.check(checkDnsName(gateway), i);
    } else if (!isHostLabel(gateway.slice(0, slash)) || !(isConverted || isHostLabel(gateway.slice(slash + 1)))) {
      report.error(`must be a name or namespace/name, not ${JSON.stringify(gateway)}`, i);
    }
  }
}

/**
 * What is wrong with a host of a Gateway's server (`host` or `namespace/host`), as a clause, or undefined. One made from
 * Gateway API has `~/host` as long as no route is attached.
 */
export function checkServerHost(host: string, isConverted = false): string | undefined {
  const slash = host.indexOf('/');
  if (slash === -1) return checkDnsPart(host, true);
  const namespace = host.slice(0, slash);
  const isAllowed = namespace === '*' || namespace === '.' || (namespace === '~' && isConverted);
  if (!isAllowed && !isHostLabel(namespace)) {
    return `must begin with a namespace, "*" or "." before the slash, not ${JSON.stringify(namespace)}`;
  }
  return checkDnsPart(host.slice(slash + 1), true);
}

/** What is wrong with a host of a Sidecar's egress listener (`namespace/host`), as a clause, or undefined. */
export function checkEgressHost(host: string): string | undefined {
  const slash = host.indexOf('/');
  if (slash === -1)
    return `must be of the form namespace/host, such as "./*" or "*/api.example.com", not ${JSON.stringify(host)}`;
  const namespace = host.slice(0, slash);
  if (namespace !== '*' && namespace !== '.' && namespace !== '~' && !isHostLabel(namespace)) {
    return `must begin with a namespace, "*", "." or "~" before the slash, not ${JSON.stringify(namespace)}`;
  }
  return checkDnsPart(host.slice(slash + 1), false);
}

function checkDnsPart(host: string, mayBeAddress: boolean): string | undefined {
  if (mayBeAddress && isIpAddress(host)) return host.includes('.') ? undefined : SHORT_NAME;
  const wrong = checkWildcardName(host);
  if (wrong !== undefined) return wrong;
  if (host !== '*' && !host.includes('.')) return SHORT_NAME;
  return hasPartialWildcard(host) ? `must not have a wildcard as a part of a label: ${host}` : undefined;
}

const SHORT_NAME = 'must be a fully qualified name, not a short one';

/** What is wrong with the address of a listener, as a clause, or undefined. */
export function checkBind(bind: string): string | undefined {
  return bind.startsWith(UNIX_PREFIX) ? checkUnixPath(bind.slice(UNIX_PREFIX.length)) : checkIpAddress(bind);
}
