import crypto from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type CertificateValidationContext,
  CertificateValidationContextSchema,
  type TlsCertificate,
  type TlsSessionTicketKeys,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import {
  type GenericSecret,
  type SdsSecretConfig,
  type Secret,
  SecretSchema,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { SPIFFECertValidatorConfigSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.ts';
import { TYPE_URL_PREFIX, typeNameOf } from '../../api/registry.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { RawResource, Rejection, Subscription } from '../../xds/client/config-source.ts';
import { ConfigErrors } from '../config/errors.ts';
import { isSet, loadData, watchedFolder } from '../config/load-data.ts';
import { configSourceSpec } from '../config/source-spec.ts';
import { checkSupported } from '../config/supported.ts';
import { durationMs } from '../config/values.ts';
import type { WorkerContext } from '../context.ts';
import { FileWatcher } from '../file-watcher.ts';
import { type KeyPair, loadKeyPair } from './key-pair.ts';
import { PeerCertificates } from './peer-certificate.ts';
import { type SecretCheck, type SecretKind, SecretSlot } from './secret-slot.ts';
import { SecureContexts } from './secure-context.ts';
import { SessionCache } from './session-cache.ts';
import { SUPPORTED } from './supported.ts';
import { TrustBundles } from './trust.ts';
import { peerPolicy } from './validation.ts';

export const SECRET_TYPE_URL = `${TYPE_URL_PREFIX}${SecretSchema.typeName}`;

/** A validation context whose files could be read. It becomes a policy once it is merged with what a context adds. */
export interface ValidationSecret {
  readonly proto: CertificateValidationContext;
  readonly digest: string;
}

/** A secret as one user holds it. */
export interface SecretHandle<Value> {
  readonly name: string;
  /** Undefined until it has come. */
  readonly value: Value | undefined;
  /** Whether nobody need wait for it: it has come, was refused, or has not come within the time for that. */
  readonly answered: boolean;
  close(): void;
}

/** A secret that came over SDS, or stands in the bootstrap, for dumps. */
export interface KnownSecret {
  readonly name: string;
  readonly version: string;
  readonly lastUpdated: number;
  /** Undefined while it is waited for. */
  readonly proto: Secret | undefined;
}

interface Values {
  tlsCertificate: KeyPair;
  validationContext: ValidationSecret;
  sessionTicketKeys: Buffer;
  genericSecret: Buffer;
}
interface Protos {
  tlsCertificate: TlsCertificate;
  validationContext: CertificateValidationContext;
  sessionTicketKeys: TlsSessionTicketKeys;
  genericSecret: GenericSecret;
}
type Case = keyof Values;
type Kinds = { readonly [C in Case]: SecretKind<Protos[C], Values[C]> };

interface Shared {
  readonly kind: Case;
  // biome-ignore lint/suspicious/noExplicitAny: a slot is read only by those who know its kind.
  readonly slot: SecretSlot<any, any>;
  subscription: Subscription | undefined;
  readonly dynamic: boolean;
}

const FIELDS: Readonly<Record<Case, string>> = {
  tlsCertificate: 'tls_certificate',
  validationContext: 'validation_context',
  sessionTicketKeys: 'session_ticket_keys',
  genericSecret: 'generic_secret',
};
const TICKET_KEY_BYTES = 80;

export interface SecretManagerOptions {
  readonly context: Pick<WorkerContext, 'configSource' | 'timers' | 'log' | 'unknownFields'>;
  /** Shared by the workers of a process, so that a TLS session resumes at any of them. Random if left out. */
  readonly ticketSecret?: Uint8Array;
}

/**
 * All secrets of one worker: those of the bootstrap, those that come over SDS, and files. A secret that several contexts
 * name is asked for once. What comes and cannot be used is refused, and the last that could stays.
 */
export class SecretManager {
  readonly trustBundles = new TrustBundles();
  readonly secureContexts = new SecureContexts();
  readonly peerCertificates = new PeerCertificates();
  readonly sessions = new SessionCache();
  readonly ticketSecret: Buffer;
  readonly log: Logger;
  readonly #context: SecretManagerOptions['context'];
  readonly #watcher: FileWatcher;
  readonly #kinds: Kinds;
  readonly #statics = new Map<string, Secret>();
  readonly #shared = new Map<string, Shared>();

  constructor({ context, ticketSecret }: SecretManagerOptions) {
    this.#context = context;
    this.log = context.log;
    this.ticketSecret = ticketSecret ? Buffer.from(ticketSecret) : crypto.randomBytes(32);
    this.#watcher = new FileWatcher(context.timers, context.log);
    this.#kinds = secretKinds(this.trustBundles);
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#context.timers.wallClock();
  }

  /** Adds a secret of the bootstrap (`static_resources.secrets`). */
  addStatic(secret: Secret, errors: ConfigErrors): void {
    if (secret.name === '') errors.add('name', 'must not be empty');
    if (this.#statics.has(secret.name)) errors.add('name', `there is already a secret ${secret.name}`);
    checkSupported(SecretSchema, secret, SUPPORTED, errors);
    const kind = secret.type.case;
    if (kind === undefined) errors.add('', 'a type of secret is needed');
    else this.#kinds[kind].load(secret.type.value as never, errors.at(FIELDS[kind]));
    this.#statics.set(secret.name, secret);
  }

  /** A secret by name: of the bootstrap, or over SDS. Undefined, with an error, if that cannot be. */
  named<C extends Case>(
    kind: C,
    config: SdsSecretConfig,
    errors: ConfigErrors,
    onChange: () => void,
    check?: SecretCheck<Values[C]>,
  ): SecretHandle<Values[C]> | undefined {
    if (config.sdsConfig === undefined) return this.#static(kind, config.name, errors, onChange, check);
    if (config.name === '') errors.add('name', 'must not be empty');
    const spec = configSourceSpec(config.sdsConfig, errors.at('sds_config'));
    if (spec === undefined) return undefined;
    const key = JSON.stringify([kind, config.name, spec]);
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = this.#add(key, kind, config.name, true);
      const added = shared;
      added.subscription = this.#context.configSource(spec).subscribe(
        SECRET_TYPE_URL,
        [config.name],
        {
          onUpdate: (resources, removed, settle) => settle(this.#update(added, resources, removed)),
          onMissing: () => {
            this.log.warn(`the secret ${config.name} has not come; what needs it waits`);
            added.slot.giveUp();
          },
        },
        { initialFetchTimeoutMs: durationMs(config.sdsConfig.initialFetchTimeout, 15_000) },
      );
    }
    return this.#handle(key, shared, onChange, check);
  }

  #static<C extends Case>(
    kind: C,
    name: string,
    errors: ConfigErrors,
    onChange: () => void,
    check: SecretCheck<Values[C]> | undefined,
  ): SecretHandle<Values[C]> | undefined {
    const secret = this.#statics.get(name);
    if (secret?.type.case !== kind) {
      errors.add('name', `Unknown static secret: ${name} (a ${FIELDS[kind]} in static_resources.secrets)`);
      return undefined;
    }
    const key = JSON.stringify([kind, name]);
    const shared = this.#shared.get(key);
    if (shared) return this.#handle(key, shared, onChange, check);
    return this.#given(key, kind, name, secret.type.value as unknown as Protos[C], errors, onChange, check);
  }

  /** A secret that stands in the configuration itself; its files are watched. */
  inline<C extends Case>(
    kind: C,
    proto: Protos[C],
    errors: ConfigErrors,
    onChange: () => void,
  ): SecretHandle<Values[C]> | undefined {
    return this.#given(crypto.randomUUID(), kind, '<inline>', proto, errors, onChange, undefined);
  }

  #given<C extends Case>(
    key: string,
    kind: C,
    name: string,
    proto: Protos[C],
    errors: ConfigErrors,
    onChange: () => void,
    check: SecretCheck<Values[C]> | undefined,
  ): SecretHandle<Values[C]> | undefined {
    const shared = this.#add(key, kind, name, false);
    shared.slot.offer(proto, '', this.now(), errors);
    const handle = this.#handle<C>(key, shared, onChange, check);
    if (shared.slot.value !== undefined) return handle;
    handle.close();
    return undefined;
  }

  #add(key: string, kind: Case, name: string, dynamic: boolean): Shared {
    const secretKind = this.#kinds[kind] as SecretKind<unknown, unknown>;
    const slot = new SecretSlot(name, secretKind, this.#watcher, this.log);
    slot.lastUpdated = this.now();
    const shared: Shared = { kind, slot, subscription: undefined, dynamic };
    this.#shared.set(key, shared);
    return shared;
  }

  #handle<C extends Case>(
    key: string,
    shared: Shared,
    onChange: () => void,
    check: SecretCheck<Values[C]> | undefined,
  ): SecretHandle<Values[C]> {
    const { slot } = shared as { slot: SecretSlot<Protos[C], Values[C]> };
    const end = slot.use(onChange, check);
    return {
      name: slot.name,
      get value() {
        return slot.value;
      },
      get answered() {
        return slot.answered;
      },
      close: () => {
        end();
        if (slot.users > 0 || !this.#shared.delete(key)) return;
        shared.subscription?.close();
        slot.close();
      },
    };
  }

  #update(shared: Shared, resources: readonly RawResource[], removed: readonly string[]): Rejection[] {
    const rejections: Rejection[] = [];
    const { slot } = shared;
    for (const resource of resources) {
      if (resource.name !== slot.name) continue;
      const errors = new ConfigErrors(this.#context.unknownFields);
      this.#offer(shared, resource, errors);
      if (!errors.any) continue;
      this.log.warn(`the secret ${slot.name} was refused${slot.value ? ', keeping the last one' : ''}: ${errors}`);
      rejections.push({ name: slot.name, reason: errors.toString() });
      slot.giveUp();
    }
    if (removed.includes(slot.name)) this.log.warn(`the secret ${slot.name} was removed; keeping the last one`);
    return rejections;
  }

  #offer({ kind, slot }: Shared, resource: RawResource, errors: ConfigErrors): void {
    if (typeNameOf(resource.typeUrl) !== SecretSchema.typeName) {
      errors.add('', `${resource.typeUrl} is not a secret`);
      return;
    }
    let secret: Secret;
    try {
      secret = fromBinary(SecretSchema, resource.bytes);
    } catch (error) {
      errors.add('', `it cannot be decoded: ${messageOf(error)}`);
      return;
    }
    if (secret.type.case !== kind) {
      errors.add('', `it is not a ${FIELDS[kind]}`);
      return;
    }
    checkSupported(SecretSchema, secret, SUPPORTED, errors);
    if (!errors.any) slot.offer(secret.type.value, resource.version, this.now(), errors.at(FIELDS[kind]));
  }

  staticSecrets(): KnownSecret[] {
    return [...this.#statics.values()].map((proto) => ({ name: proto.name, version: '', lastUpdated: 0, proto }));
  }

  dynamicSecrets(): KnownSecret[] {
    return [...this.#shared.values()]
      .filter((shared) => shared.dynamic)
      .map(({ kind, slot }) => ({
        name: slot.name,
        version: slot.version,
        lastUpdated: slot.lastUpdated,
        proto: slot.proto && create(SecretSchema, { name: slot.name, type: { case: kind, value: slot.proto } }),
      }));
  }

  close(): void {
    for (const { subscription, slot } of this.#shared.values()) {
      subscription?.close();
      slot.close();
    }
    this.#shared.clear();
    this.#watcher.close();
  }
}

/** Envoy's MergeFrom: what SDS brings is laid over what the context says itself. */
export function mergeValidation(
  base: CertificateValidationContext | undefined,
  over: CertificateValidationContext,
): CertificateValidationContext {
  if (base === undefined) return over;
  const schema = CertificateValidationContextSchema;
  return fromBinary(schema, Buffer.concat([toBinary(schema, base), toBinary(schema, over)]));
}

function secretKinds(bundles: TrustBundles): Kinds {
  const folderList = (...folders: (string | undefined)[]) => folders.filter((folder) => folder !== undefined);
  return {
    tlsCertificate: {
      load: loadKeyPair,
      folders: ({ certificateChain, privateKey, password, watchedDirectory }) =>
        folderList(
          watchedFolder(certificateChain, watchedDirectory?.path),
          watchedFolder(privateKey, watchedDirectory?.path),
          watchedFolder(password, watchedDirectory?.path),
        ),
      digest: (pair) => pair.digest,
    },
    validationContext: {
      load: (proto, errors) => loadValidation(proto, bundles, errors),
      folders: ({ trustedCa, crl, customValidatorConfig, watchedDirectory }) =>
        folderList(
          watchedFolder(trustedCa, watchedDirectory?.path),
          watchedFolder(crl, watchedDirectory?.path),
          ...(customValidatorConfig?.typedConfig ? spiffeFolders(customValidatorConfig.typedConfig.value) : []),
        ),
      digest: (secret) => secret.digest,
    },
    sessionTicketKeys: {
      load: loadTicketKeys,
      folders: ({ keys }) => folderList(...keys.map((key) => watchedFolder(key, undefined))),
      digest: (keys) => crypto.hash('sha256', keys, 'base64'),
    },
    genericSecret: {
      load: ({ secret }, errors) => {
        try {
          if (isSet(secret)) return loadData(secret).bytes;
          errors.add('secret', 'is needed');
        } catch (error) {
          errors.add('secret', messageOf(error));
        }
        return undefined;
      },
      folders: ({ secret }) => folderList(watchedFolder(secret, undefined)),
      digest: (bytes) => crypto.hash('sha256', bytes, 'base64'),
    },
  };
}

/** Reads all that the context refers to. Whether its parts make sense together is for whoever completes it. */
function loadValidation(
  proto: CertificateValidationContext,
  bundles: TrustBundles,
  errors: ConfigErrors,
): ValidationSecret | undefined {
  const found = new ConfigErrors();
  const policy = peerPolicy(proto, bundles, found, 'part');
  for (const { path, message } of found.list) errors.add(path, message);
  if (found.any) return undefined;
  const bytes = toBinary(CertificateValidationContextSchema, proto);
  return { proto, digest: crypto.hash('sha256', Buffer.concat([bytes, Buffer.from(policy.trustDigest)]), 'base64') };
}

function spiffeFolders(config: Uint8Array): (string | undefined)[] {
  const { trustDomains } = fromBinary(SPIFFECertValidatorConfigSchema, config);
  return trustDomains.map(({ trustBundle }) => watchedFolder(trustBundle, undefined));
}

/** The first key, which is the one that tickets are written with. Node takes a single one, so older ones do not count. */
function loadTicketKeys({ keys }: TlsSessionTicketKeys, errors: ConfigErrors): Buffer | undefined {
  const loaded = keys.map((key, i) => {
    try {
      const { bytes } = loadData(key);
      if (bytes.length !== TICKET_KEY_BYTES) {
        errors
          .at('keys')
          .at(i)
          .add(
            '',
            `Incorrect TLS session ticket key length. Length ${bytes.length}, expected length ${TICKET_KEY_BYTES}.`,
          );
      }
      return bytes;
    } catch (error) {
      errors.at('keys').at(i).add('', messageOf(error));
      return undefined;
    }
  });
  if (keys.length === 0) errors.add('keys', 'at least one is needed');
  return loaded[0];
}
