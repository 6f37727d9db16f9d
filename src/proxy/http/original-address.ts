import type { TypedExtensionConfig } from '../../api/gen/envoy/config/core/v3/extension_pb.ts';
import {
  type CustomHeaderConfig,
  CustomHeaderConfigSchema,
} from '../../api/gen/envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header_pb.ts';
import {
  type XffConfig,
  XffConfigSchema,
} from '../../api/gen/envoy/extensions/http/original_ip_detection/xff/v3/xff_pb.ts';
import { typeNameOf } from '../../api/registry.ts';
import { type CidrSet, cidrSet } from '../../base/cidr.ts';
import { messageOf } from '../../base/errors.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported, type SupportTable } from '../config/supported.ts';
import { decodeConfig } from '../config/typed-config.ts';
import { ipFamily } from '../config/values.ts';
import type { SocketAddress } from '../net/connection.ts';

/** Where a request came from, as an extension tells by its headers. */
export interface Detected {
  readonly address: SocketAddress | undefined;
  /** It can be believed to be the client's own, and may so be one from inside. */
  readonly trusted: boolean;
  /** The address of the peer goes to x-forwarded-for. */
  readonly appends: boolean;
  /** Status with which a request is refused whose origin is not told; 0 for none. */
  readonly refusal: number;
}

/** An entry of `original_ip_detection_extensions`; `peer` is who the connection is from. */
export type AddressDetector = (headers: Headers, peer: SocketAddress) => Detected;

const PREFIX = 'envoy.extensions.http.original_ip_detection';
export const SUPPORTED: SupportTable = {
  [`${PREFIX}.xff.v3.XffConfig`]: ['xff_num_trusted_hops', 'xff_trusted_cidrs', 'skip_xff_append'],
  [`${PREFIX}.xff.v3.XffTrustedCidrs`]: ['cidrs'],
  [`${PREFIX}.custom_header.v3.CustomHeaderConfig`]: [
    'header_name',
    'allow_extension_to_set_address_as_trusted',
    'reject_with_status',
  ],
  'envoy.config.core.v3.CidrRange': ['address_prefix', 'prefix_len'],
  'envoy.type.v3.HttpStatus': ['code'],
};

/** Compiles `original_ip_detection_extensions`: the first that finds an address, or refuses, decides. */
export function addressDetectors(
  extensions: readonly TypedExtensionConfig[],
  errors: ConfigErrors,
): readonly AddressDetector[] {
  return extensions.flatMap(({ typedConfig }, i) => {
    const at = errors.at(i).at('typed_config');
    switch (typeNameOf(typedConfig?.typeUrl ?? '')) {
      case XffConfigSchema.typeName: {
        const config = decodeConfig(XffConfigSchema, typedConfig, at) as XffConfig | undefined;
        if (config === undefined) return [];
        checkSupported(XffConfigSchema, config, SUPPORTED, at);
        return [xffDetector(config, at)];
      }
      case CustomHeaderConfigSchema.typeName: {
        const config = decodeConfig(CustomHeaderConfigSchema, typedConfig, at) as CustomHeaderConfig | undefined;
        if (config === undefined) return [];
        checkSupported(CustomHeaderConfigSchema, config, SUPPORTED, at);
        return [headerDetector(config)];
      }
      default:
        at.add('', `${typedConfig?.typeUrl ?? 'nothing'} is not supported`);
        return [];
    }
  });
}

function xffDetector(config: XffConfig, errors: ConfigErrors): AddressDetector {
  const { xffNumTrustedHops: hops, xffTrustedCidrs: trusted } = config;
  const appends = !(config.skipXffAppend ?? true);
  const told = (found: ForwardedAddress): Detected => ({ ...found, appends, refusal: 0 });
  if (trusted === undefined) return (headers) => told(forwardedClient(headers, hops));
  if (hops > 0) errors.add('xff_num_trusted_hops', 'only one of it and xff_trusted_cidrs may be set');
  let proxies: CidrSet;
  try {
    proxies = cidrSet(trusted.cidrs.map((range) => ({ address: range.addressPrefix, length: range.prefixLen ?? 0 })));
  } catch (error) {
    errors.at('xff_trusted_cidrs').add('cidrs', messageOf(error));
    return () => told(NOBODY);
  }
  return (headers, peer) => told(proxies.contains(peer.address) ? lastUntrusted(headers, proxies) : NOBODY);
}

const NOBODY: ForwardedAddress = { address: undefined, trusted: false };
const FORBIDDEN = 403;

function headerDetector(config: CustomHeaderConfig): AddressDetector {
  const name = config.headerName.toLowerCase();
  const trusted = config.allowExtensionToSetAddressAsTrusted;
  const code = config.rejectWithStatus?.code;
  const refusal = code === undefined ? 0 : code >= 400 && code <= 511 ? code : FORBIDDEN;
  return (headers) => {
    const address = parseAddress(headers.get(name) ?? '');
    return address === undefined
      ? { address, trusted: false, appends: false, refusal }
      : { address, trusted, appends: false, refusal: 0 };
  };
}

interface ForwardedAddress {
  readonly address: SocketAddress | undefined;
  readonly trusted: boolean;
}

/** The address in X-Forwarded-For that is `hops` from its end; trusted where it stands there alone. */
export function forwardedClient(headers: Headers, hops: number): ForwardedAddress {
  const forwarded = headers.get('x-forwarded-for');
  const address = forwardedAddress(forwarded, hops);
  return { address, trusted: address !== undefined && hops === 0 && !forwarded!.includes(',') };
}

/** The n-th address from the end of X-Forwarded-For, or undefined if there are fewer or it is no address. */
export function forwardedAddress(forwarded: string | undefined, fromEnd: number): SocketAddress | undefined {
  if (forwarded === undefined) return undefined;
  const entries = forwarded.split(',');
  return parseAddress(entries[entries.length - 1 - fromEnd] ?? '');
}

/** The last address in X-Forwarded-For that is no trusted proxy's; the first of all if they all are. */
function lastUntrusted(headers: Headers, proxies: CidrSet): ForwardedAddress {
  const entries = (headers.get('x-forwarded-for') ?? '').split(',').reverse();
  const addresses = entries.map(parseAddress);
  const stranger = addresses.findIndex((one) => one === undefined || !proxies.contains(one.address));
  const address = addresses.at(stranger);
  return { address, trusted: address !== undefined && entries.length === 1 };
}

/** Addresses with a port are none, as in Envoy. */
function parseAddress(entry: string): SocketAddress | undefined {
  const address = entry.trim();
  const family = ipFamily(address);
  return family && { address, port: 0, family };
}
