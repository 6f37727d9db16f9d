import type { StringMatch } from '../../config/kinds/shared/http-policy.ts';
import type { HttpMatch, HttpRoute } from '../../config/kinds/virtual-service/schema.ts';
import type { HttpRule, VirtualService } from './virtual-service.ts';

/**
 * Puts the routes of delegates where root VirtualServices refer to them (VirtualService `http[].delegate`). Delegates are
 * those without hosts, and leave the list. A delegate that is missing, or not exported to the root's namespace, costs the
 * root that one route.
 */
export function mergeDelegates(
  virtualServices: readonly VirtualService[],
  defaultExportTo: ReadonlySet<string>,
  merge: (root: VirtualService, delegates: readonly (VirtualService | undefined)[]) => VirtualService,
): VirtualService[] {
  const delegates = new Map<string, VirtualService>();
  for (const vs of virtualServices) if (vs.hosts.length === 0) delegates.set(`${vs.namespace}/${vs.name}`, vs);
  const find = (root: VirtualService, { route }: HttpRule) => {
    if (route.delegate === undefined) return undefined;
    const found = delegates.get(`${route.delegate.namespace || root.namespace}/${route.delegate.name ?? ''}`);
    if (found === undefined) return undefined;
    const exportTo = found.exportTo ?? defaultExportTo;
    return exportTo.has('*') || exportTo.has(root.namespace) ? found : undefined;
  };
  return virtualServices.flatMap((vs) => {
    if (vs.hosts.length === 0) return [];
    if (!vs.http.some(({ route }) => route.delegate !== undefined)) return [vs];
    return [
      merge(
        vs,
        vs.http.map((rule) => find(vs, rule)),
      ),
    ];
  });
}

/** A root with the routes of its delegates: one delegate, or none, for each of its rules. */
export function withDelegates(
  root: VirtualService,
  delegates: readonly (VirtualService | undefined)[],
): VirtualService {
  const http = root.http.flatMap((rule, i) => {
    if (rule.route.delegate === undefined) return [rule];
    return (delegates[i]?.http ?? []).flatMap(({ route, origin }) => {
      const merged = mergeRoute(rule.route, route);
      return merged === undefined ? [] : [{ route: merged, origin }];
    });
  });
  const used = delegates.filter((delegate) => delegate !== undefined);
  return { ...root, http, delegates: used.map((delegate) => delegate.source) };
}

/** A delegate's route under a root's; undefined if no request could meet both. What the delegate leaves open, the root gives. */
function mergeRoute(root: HttpRoute, delegate: HttpRoute): HttpRoute | undefined {
  const match = mergeMatches(root.match ?? [], delegate.match ?? []);
  if (match === undefined) return undefined;
  return {
    ...delegate,
    match,
    name: joinNames(root.name, delegate.name),
    rewrite: delegate.rewrite ?? root.rewrite,
    timeout: delegate.timeout ?? root.timeout,
    retries: delegate.retries ?? root.retries,
    fault: delegate.fault ?? root.fault,
    mirror: delegate.mirror ?? root.mirror,
    mirrors: delegate.mirrors?.length ? delegate.mirrors : root.mirrors,
    mirrorPercent: delegate.mirrorPercent ?? root.mirrorPercent,
    mirrorPercentage: delegate.mirrorPercentage ?? root.mirrorPercentage,
    corsPolicy: delegate.corsPolicy ?? root.corsPolicy,
    headers: delegate.headers ?? root.headers,
  };
}

function joinNames(root: string | undefined, delegate: string | undefined): string | undefined {
  if (!delegate) return root;
  return root ? `${root}-${delegate}` : delegate;
}

/** Every pair of conditions that go together. Each of the delegate's must be within one of the root's. */
function mergeMatches(root: readonly HttpMatch[], delegate: readonly HttpMatch[]): readonly HttpMatch[] | undefined {
  if (root.length === 0) return delegate;
  if (delegate.length === 0) return root;
  const merged: HttpMatch[] = [];
  for (const leaf of delegate) {
    const fitting = root.filter((match) => !conflicts(match, leaf));
    if (fitting.length === 0) return undefined;
    for (const match of fitting) merged.push(mergeMatch(match, leaf));
  }
  return merged;
}

function mergeMatch(root: HttpMatch, leaf: HttpMatch): HttpMatch {
  return {
    ...leaf,
    name: joinNames(root.name, leaf.name),
    uri: leaf.uri ?? root.uri,
    scheme: leaf.scheme ?? root.scheme,
    method: leaf.method ?? root.method,
    authority: leaf.authority ?? root.authority,
    headers: { ...root.headers, ...leaf.headers },
    withoutHeaders: { ...root.withoutHeaders, ...leaf.withoutHeaders },
    queryParams: { ...root.queryParams, ...leaf.queryParams },
    port: leaf.port || root.port,
    sourceLabels: { ...root.sourceLabels, ...leaf.sourceLabels },
    sourceNamespace: leaf.sourceNamespace || root.sourceNamespace,
    gateways: leaf.gateways?.length ? leaf.gateways : root.gateways,
    statPrefix: leaf.statPrefix || root.statPrefix,
  };
}

function conflicts(root: HttpMatch, leaf: HttpMatch): boolean {
  if (
    stringsConflict(root.uri, leaf.uri) ||
    stringsConflict(root.scheme, leaf.scheme) ||
    stringsConflict(root.method, leaf.method) ||
    stringsConflict(root.authority, leaf.authority) ||
    mapsConflict(root.headers, leaf.headers) ||
    mapsConflict(root.withoutHeaders, leaf.withoutHeaders) ||
    mapsConflict(root.queryParams, leaf.queryParams)
  ) {
    return true;
  }
  if ((root.ignoreUriCase ?? false) !== (leaf.ignoreUriCase ?? false)) return true;
  if (root.port && leaf.port && root.port !== leaf.port) return true;
  if (root.sourceNamespace && (leaf.sourceNamespace ?? '') !== root.sourceNamespace) return true;
  for (const [key, value] of Object.entries(leaf.sourceLabels ?? {})) {
    const own = root.sourceLabels?.[key];
    if (own !== undefined && own !== value) return true;
  }
  const [rootGateways, leafGateways] = [root.gateways ?? [], leaf.gateways ?? []];
  return rootGateways.length > 0 && leafGateways.some((gateway) => !rootGateways.includes(gateway));
}

type Matches = Readonly<Record<string, StringMatch>> | undefined;

function mapsConflict(root: Matches, leaf: Matches): boolean {
  return Object.entries(leaf ?? {}).some(([key, match]) => stringsConflict(root?.[key], match));
}

/** Whether a delegate's condition is not within the root's. Regular expressions are not compared: two of them always conflict. */
function stringsConflict(root: StringMatch | undefined, leaf: StringMatch | undefined): boolean {
  if (root === undefined || leaf === undefined) return false;
  if (root.regex && (leaf.regex || leaf.prefix || leaf.exact)) return true;
  if (leaf.regex && (root.regex || root.prefix || root.exact)) return true;
  if (root.exact) return Boolean(leaf.prefix) || leaf.exact !== root.exact;
  if (root.prefix) {
    if (leaf.prefix) return !leaf.prefix.startsWith(root.prefix);
    if (leaf.exact) return !leaf.exact.startsWith(root.prefix);
  }
  return true;
}
