import { TypeUrl } from '../../translate/cell.ts';

const SHORT: Readonly<Record<string, string>> = {
  [TypeUrl.Cluster]: 'CDS',
  [TypeUrl.Endpoint]: 'EDS',
  [TypeUrl.Listener]: 'LDS',
  [TypeUrl.Route]: 'RDS',
  [TypeUrl.Secret]: 'SDS',
  [TypeUrl.ExtensionConfig]: 'ECDS',
  [TypeUrl.NameTable]: 'NDS',
};

/** What Istio's logs and metrics call a type: `CDS`, or the type URL itself. */
export function shortType(typeUrl: string): string {
  return SHORT[typeUrl] ?? typeUrl;
}

/** The value of the `type` label of istiod's metrics: `cds`. */
export function metricType(typeUrl: string): string {
  return SHORT[typeUrl]?.toLowerCase() ?? typeUrl;
}
