import type { ProxyProtocolPassThroughTLVs } from '../../api/gen/envoy/config/core/v3/proxy_protocol_pb.ts';
import {
  ProxyProtocolPassThroughTLVs_PassTLVsMatchType as PassMatch,
  ProxyProtocolConfig_Version as Version,
} from '../../api/gen/envoy/config/core/v3/proxy_protocol_pb.ts';
import type { ProxyProtocol as Proto } from '../../api/gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.ts';
import type { ProxyHeader, Tlv } from '../../wire/proxy-protocol/header.ts';
import { NOT_UNICAST, parseProxyProtocol, proxyProtocolVersion } from '../../wire/proxy-protocol/parse.ts';
import type { SupportTable } from '../config/supported.ts';
import { StatGroup, type StatLease, type StatsStore } from '../observe/stats.ts';

export const PASS_THROUGH_SUPPORTED: SupportTable = {
  'envoy.config.core.v3.ProxyProtocolPassThroughTLVs': ['match_type', 'tlv_type'],
};

export const SUPPORTED: SupportTable = {
  ...PASS_THROUGH_SUPPORTED,
  'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol': [
    'allow_requests_without_proxy_protocol',
    'rules',
    'pass_through_tlvs',
    'disallowed_versions',
    'stat_prefix',
  ],
  'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.Rule': ['tlv_type', 'on_tlv_present'],
  'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair': ['metadata_namespace', 'key'],
};

const NAME = 'envoy.filters.listener.proxy_protocol';
const NO_GAUGES: ReadonlySet<string> = new Set();

/** Statistics of the PROXY protocol (Envoy's `proxy_proto.`): headers that were missing. */
class MissingStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  not_found_allowed = 0;
  not_found_disallowed = 0;
}

/** The same for one of its versions (`proxy_proto.versions.vN.`). */
class VersionStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  disallowed = 0;
  error = 0;
  found = 0;
}

/** Headers that were none, for all listeners. */
class ErrorStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  downstream_cx_proxy_proto_error = 0;
}

/** What a connection's header said beyond addresses. */
export interface ProxyFindings {
  /** Undefined where there was none, and none was needed. */
  readonly header: ProxyHeader | undefined;
  /** Bytes that were the header. */
  readonly length: number;
  /** By namespace, from `rules`. */
  readonly metadata: ReadonlyMap<string, Readonly<Record<string, string>>> | undefined;
  /** What `pass_through_tlvs` hands on to upstreams. */
  readonly passed: readonly Tlv[];
}

export type ProxyInspection =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'error'; readonly reason: string }
  | { readonly kind: 'done'; readonly findings: ProxyFindings };

const NOTHING: ProxyFindings = { header: undefined, length: 0, metadata: undefined, passed: [] };

/** The `proxy_protocol` listener filter: who a connection is from and to, in front of its bytes. */
export class ProxyProtocolFilter {
  readonly #allowWithout: boolean;
  readonly #disallowed: ReadonlySet<1 | 2>;
  readonly #rules: ReadonlyMap<number, { readonly namespace: string; readonly key: string }>;
  readonly #passes: (type: number) => boolean;
  readonly #errors: StatLease<ErrorStats>;
  readonly #missing: StatLease<MissingStats>;
  readonly #versions: Readonly<Record<1 | 2, StatLease<VersionStats>>>;

  constructor(proto: Proto, stats: StatsStore) {
    this.#allowWithout = proto.allowRequestsWithoutProxyProtocol;
    this.#disallowed = new Set(proto.disallowedVersions.map((version) => (version === Version.V1 ? 1 : 2)));
    this.#rules = new Map(
      proto.rules.map(({ tlvType, onTlvPresent }) => [
        tlvType,
        { namespace: onTlvPresent?.metadataNamespace || NAME, key: onTlvPresent?.key ?? '' },
      ]),
    );
    this.#passes = tlvMatcher(proto.passThroughTlvs);
    const prefix = `proxy_proto.${proto.statPrefix && `${proto.statPrefix}.`}`;
    this.#errors = stats.acquire('', ErrorStats);
    this.#missing = stats.acquire(prefix, MissingStats);
    this.#versions = {
      1: stats.acquire(`${prefix}versions.v1.`, VersionStats),
      2: stats.acquire(`${prefix}versions.v2.`, VersionStats),
    };
  }

  /** Looks at all that has come of a connection. */
  inspect(bytes: Buffer): ProxyInspection {
    const version = proxyProtocolVersion(bytes, 0, bytes.length);
    if (version === undefined) {
      const wanted = this.#allowWithout && this.#disallowed.size > 0 ? this.#couldBecome(bytes) : true;
      return wanted ? { kind: 'need-more' } : this.#without();
    }
    if (version === 'none') return this.#without();
    const stats = this.#versions[version].group;
    if (this.#disallowed.has(version)) {
      if (this.#allowWithout) return this.#without();
      stats.disallowed++;
      this.#errors.group.downstream_cx_proxy_proto_error++;
      return { kind: 'error', reason: `version ${version} is not allowed` };
    }
    const result = parseProxyProtocol(bytes, 0, bytes.length);
    if (result.kind === 'need-more') return result;
    if (result.kind === 'not-present') return this.#without();
    if (result.kind === 'error' || result.header.addresses?.transport.startsWith('unix')) {
      const reason = result.kind === 'error' ? result.reason : 'addresses of Unix sockets';
      stats.error++;
      // Envoy finds this out when it has the header behind it.
      if (reason !== NOT_UNICAST) this.#errors.group.downstream_cx_proxy_proto_error++;
      return { kind: 'error', reason };
    }
    stats.found++;
    const { header, length } = result;
    return {
      kind: 'done',
      findings: { header, length, metadata: this.#metadata(header.tlvs), passed: this.#passed(header.tlvs) },
    };
  }

  /** Whether the start of a header may still become one of a version that is looked for. */
  #couldBecome(bytes: Buffer): boolean {
    // The first octets of the two differ.
    return !this.#disallowed.has(bytes[0] === 0x0d ? 2 : 1);
  }

  #without(): ProxyInspection {
    const { group } = this.#missing;
    if (this.#allowWithout) {
      group.not_found_allowed++;
      return { kind: 'done', findings: NOTHING };
    }
    group.not_found_disallowed++;
    return { kind: 'error', reason: 'there is no PROXY protocol header' };
  }

  #metadata(tlvs: readonly Tlv[]): ProxyFindings['metadata'] {
    if (this.#rules.size === 0) return undefined;
    const found = new Map<string, Record<string, string>>();
    for (const { type, value } of tlvs) {
      const rule = this.#rules.get(type);
      if (rule === undefined) continue;
      let values = found.get(rule.namespace);
      if (values === undefined) found.set(rule.namespace, (values = {}));
      // Of several extensions of one type, the first.
      values[rule.key] ??= printable(value);
    }
    return found.size === 0 ? undefined : found;
  }

  #passed(tlvs: readonly Tlv[]): readonly Tlv[] {
    return tlvs.filter(({ type }) => this.#passes(type));
  }

  dispose(): void {
    this.#errors.release();
    this.#missing.release();
    this.#versions[1].release();
    this.#versions[2].release();
  }
}

/** Which extensions of version 2 go on to the next in line; none if nothing is said. */
export function tlvMatcher(proto: ProxyProtocolPassThroughTLVs | undefined): (type: number) => boolean {
  if (proto === undefined) return () => false;
  if (proto.matchType === PassMatch.INCLUDE_ALL) return () => true;
  const types = new Set(proto.tlvType);
  return (type) => types.has(type);
}

/** Text of UTF-8, with `!` for each octet that is none. */
function printable(value: Uint8Array): string {
  const bytes = Buffer.from(value);
  const text = bytes.toString('utf8');
  if (!text.includes('\ufffd')) return text;
  let shown = '';
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((n) => !bytes.toString('utf8', at, at + n).includes('\ufffd')) ?? 0;
    shown += length === 0 ? '!' : bytes.toString('utf8', at, at + length);
    at += length || 1;
  }
  return shown;
}
