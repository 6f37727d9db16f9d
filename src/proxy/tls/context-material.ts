import type { CommonTlsContext } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts';
import { messageOf } from '../../base/errors.ts';
import { ConfigErrors } from '../config/errors.ts';
import { isSet } from '../config/load-data.ts';
import type { KeyPair } from './key-pair.ts';
import { type Parameters, tlsParameters } from './parameters.ts';
import { mergeValidation, type SecretHandle, type SecretManager, type ValidationSecret } from './secrets.ts';
import type { CertificateFacts } from './transport.ts';
import { NO_POLICY, type PeerPolicy, peerPolicy } from './validation.ts';

type ValidationProto = ValidationSecret['proto'];

/** What one generation of a context is made of. */
export interface Material {
  readonly keyPairs: readonly KeyPair[];
  readonly policy: PeerPolicy;
}

/** An ALPN list in wire format has room for that (RFC 7301 section 3.1). */
const MAX_ALPN_BYTES = 65_535;

/**
 * A CommonTlsContext with the secrets that it names: parameters that stay, and certificates and trust that change.
 * `onChange` is called when the material is no longer what it was.
 */
export class ContextMaterial {
  readonly parameters: Parameters;
  readonly alpn: readonly string[];
  /** `alpn` in wire format; undefined if it is empty. */
  readonly alpnWire: Buffer | undefined;
  readonly #secrets: SecretManager;
  readonly #keyPairs: readonly SecretHandle<KeyPair>[];
  readonly #validationField: string;
  readonly #base: ValidationProto | undefined;
  readonly #validation: SecretHandle<ValidationSecret> | undefined;
  #material: Material | undefined = undefined;
  /** Why the secrets that came last cannot be used, while those before still are. */
  #complaint = '';

  constructor(
    proto: CommonTlsContext | undefined,
    isServer: boolean,
    secrets: SecretManager,
    errors: ConfigErrors,
    onChange: () => void,
  ) {
    this.#secrets = secrets;
    const changed = () => {
      this.#stale = true;
      onChange();
    };
    this.parameters = tlsParameters(proto?.tlsParams, isServer, errors.at('tls_params'));
    this.alpn = proto?.alpnProtocols ?? [];
    this.alpnWire = encodeAlpn(this.alpn, errors.at('alpn_protocols'));
    this.#keyPairs = openKeyPairs(proto, secrets, errors, changed);
    const type = proto?.validationContextType.case;
    this.#validationField = type === 'validationContext' ? 'validation_context' : 'combined_validation_context';
    [this.#base, this.#validation] = openValidation(proto, secrets, errors, changed);
  }

  #stale = true;

  get #secretsUsed() {
    return [...this.#keyPairs, ...(this.#validation ? [this.#validation] : [])];
  }

  /** Names of the secrets that have not come. */
  get missing(): string[] {
    return this.#secretsUsed.filter((handle) => handle.value === undefined).map((handle) => handle.name);
  }

  /** Whether every secret has come, or will not for now. */
  get settled(): boolean {
    return this.#secretsUsed.every((handle) => handle.answered);
  }

  /**
   * What the context is made of now; undefined until everything has come. Where a change makes no sense together with
   * the rest, what was good before stays.
   */
  current(): Material | undefined {
    if (!this.#stale) return this.#material;
    const errors = new ConfigErrors();
    const material = this.read(errors);
    this.#stale = false;
    if (material !== undefined && !errors.any) {
      this.#material = material;
      this.#complaint = '';
    } else {
      this.#complaint = errors.toString();
    }
    return this.#material;
  }

  /** Whether nothing can be wrong with the parts together, so that nobody need put them together before they are used. */
  get certain(): boolean {
    const secret = this.#validation?.value;
    return this.#validation === undefined || (secret !== undefined && goTogether(this.#base, secret.proto));
  }

  get complaint(): string {
    return this.#complaint;
  }

  /** The same, with what is wrong in `errors`. */
  read(errors: ConfigErrors): Material | undefined {
    const keyPairs: KeyPair[] = [];
    for (const { value } of this.#keyPairs) {
      if (value === undefined) return undefined;
      keyPairs.push(value);
    }
    if (this.#validation === undefined) {
      return { keyPairs, policy: NO_POLICY };
    }
    const secret = this.#validation.value;
    if (secret === undefined) return undefined;
    const merged = mergeValidation(this.#base, secret.proto);
    return { keyPairs, policy: peerPolicy(merged, this.#secrets.trustBundles, errors.at(this.#validationField)) };
  }

  /** Rows of `/certs`. */
  get certificates(): CertificateFacts[] {
    const material = this.current();
    if (material === undefined) return [];
    const { trust, spiffe } = material.policy;
    const bundles = spiffe ? [...spiffe.values()] : trust ? [trust] : [];
    return [
      // Envoy shows the first certificate of a bundle.
      ...bundles.map((bundle) => certificateFacts(bundle.certificates[0], bundle.origin, true)),
      ...material.keyPairs.map((pair) => certificateFacts(pair.leaf, pair.origin, false)),
    ];
  }

  close(): void {
    for (const handle of this.#keyPairs) handle.close();
    this.#validation?.close();
  }
}

function certificateFacts(certificate: KeyPair['leaf'], path: string, isCa: boolean): CertificateFacts {
  const sans = (['dns', 'uri', 'ip'] as const).flatMap((type) =>
    certificate.namesOf(type).map((value) => ({ type, value })),
  );
  return {
    path,
    serialNumber: certificate.serial,
    subjectAltNames: sans,
    validFrom: certificate.validFrom,
    expirationTime: certificate.validTo,
    isCa,
  };
}

/** Protocols as ALPN has them on the wire (RFC 7301 section 3.1); undefined for none. */
export function encodeAlpn(protocols: readonly string[], errors: ConfigErrors): Buffer | undefined {
  const parts: Buffer[] = [];
  for (const [i, protocol] of protocols.entries()) {
    const name = Buffer.from(protocol, 'utf8');
    if (name.length === 0 || name.length > 255) errors.at(i).add('', 'must have 1 to 255 bytes');
    else parts.push(Buffer.from([name.length]), name);
  }
  const wire = Buffer.concat(parts);
  if (wire.length > MAX_ALPN_BYTES) errors.add('', 'is too long for a TLS handshake');
  return wire.length === 0 ? undefined : wire;
}

function openKeyPairs(
  proto: CommonTlsContext | undefined,
  secrets: SecretManager,
  errors: ConfigErrors,
  onChange: () => void,
): SecretHandle<KeyPair>[] {
  const inline = proto?.tlsCertificates ?? [];
  const named = proto?.tlsCertificateSdsSecretConfigs ?? [];
  if (inline.length > 0 && named.length > 0) {
    errors.add('tls_certificate_sds_secret_configs', 'is of no effect beside tls_certificates');
  }
  const handles =
    inline.length > 0
      ? inline.map((c, i) => secrets.inline('tlsCertificate', c, errors.at('tls_certificates').at(i), onChange))
      : named.map((c, i) =>
          secrets.named('tlsCertificate', c, errors.at('tls_certificate_sds_secret_configs').at(i), onChange),
        );
  return handles.filter((handle) => handle !== undefined);
}

/** The part of the validation context that stands in the configuration, and the part that comes as a secret. */
function openValidation(
  proto: CommonTlsContext | undefined,
  secrets: SecretManager,
  errors: ConfigErrors,
  onChange: () => void,
): [ValidationProto | undefined, SecretHandle<ValidationSecret> | undefined] {
  const type = proto?.validationContextType;
  switch (type?.case) {
    case 'validationContext': {
      const at = errors.at('validation_context');
      return [undefined, secrets.inline('validationContext', type.value, at, onChange)];
    }
    case 'validationContextSdsSecretConfig': {
      const at = errors.at('validation_context_sds_secret_config');
      return [undefined, secrets.named('validationContext', type.value, at, onChange, checker(undefined, secrets))];
    }
    case 'combinedValidationContext': {
      const at = errors.at('combined_validation_context');
      const { defaultValidationContext: base, validationContextSdsSecretConfig: config } = type.value;
      if (base === undefined) at.add('default_validation_context', 'is needed');
      if (config === undefined) {
        at.add('validation_context_sds_secret_config', 'is needed');
        return [base, undefined];
      }
      if (base) peerPolicy(base, secrets.trustBundles, at.at('default_validation_context'), 'part');
      const source = at.at('validation_context_sds_secret_config');
      return [base, secrets.named('validationContext', config, source, onChange, checker(base, secrets))];
    }
    default:
      return [undefined, undefined];
  }
}

/**
 * Whether a secret and what the context says go together, whatever they are: authorities, for a context that wants some.
 * It is what nearly every mesh sends, to thousands of contexts at a time.
 */
function goTogether(base: ValidationProto | undefined, proto: ValidationProto): boolean {
  const plain = (part: ValidationProto) =>
    !part.customValidatorConfig && !isSet(part.crl) && !part.allowExpiredCertificate;
  return isSet(proto.trustedCa) && plain(proto) && (base === undefined || plain(base));
}

/** Whether what SDS brings makes sense together with what the context says: if not, it is refused. */
function checker(base: ValidationProto | undefined, secrets: SecretManager) {
  return ({ proto }: ValidationSecret): string | undefined => {
    if (goTogether(base, proto)) return undefined;
    const errors = new ConfigErrors();
    try {
      peerPolicy(mergeValidation(base, proto), secrets.trustBundles, errors);
    } catch (error) {
      return messageOf(error);
    }
    return errors.any ? errors.toString() : undefined;
  };
}
