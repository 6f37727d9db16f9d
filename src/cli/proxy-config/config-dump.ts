import type { JsonValue } from '@bufbuild/protobuf';
import { schemaOf, TYPE_URL_PREFIX } from '../../api/registry.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import type { Message } from '../output/json.ts';
import { messagesAt, unpacked } from './fields.ts';
import { canonicalMessage } from './proto-json.ts';

const PACKAGE = 'envoy.admin.v3.';

/** Sections of what Envoy's `/config_dump` answers, by their message types in `envoy.admin.v3`. */
export type SectionName =
  | 'BootstrapConfigDump'
  | 'ClustersConfigDump'
  | 'EndpointsConfigDump'
  | 'ListenersConfigDump'
  | 'RoutesConfigDump'
  | 'SecretsConfigDump'
  | 'EcdsConfigDump';

/** What `/config_dump` of a proxy has answered. A section is looked at when it is first asked for. */
export class ConfigDump {
  readonly #sections: ReadonlyMap<string, JsonValue>;

  /** Throws a UserError if the text is not such an answer. */
  constructor(text: string) {
    const root = parseAnswer(text);
    const sections = new Map<string, JsonValue>();
    const { configs = [] } = root;
    if (!Array.isArray(configs)) throw unreadable('"configs" is not a list');
    for (const section of configs) {
      const typeUrl = isObject(section) ? section['@type'] : undefined;
      if (typeof typeUrl === 'string') sections.set(typeUrl, section);
    }
    this.#sections = sections;
  }

  /** Throws a UserError if the dump has no such section, or if there is what cannot be in one. */
  section(name: SectionName): Message {
    const typeUrl = `${TYPE_URL_PREFIX}${PACKAGE}${name}`;
    const json = this.#sections.get(typeUrl);
    if (json === undefined) throw new UserError(`config dump has no configuration type ${typeUrl}`);
    return canonical(name, json);
  }

  has(name: SectionName): boolean {
    return this.#sections.has(`${TYPE_URL_PREFIX}${PACKAGE}${name}`);
  }
}

/** A section, or a UserError that says first what is not possible without it. */
export function sectionOrReason(dump: ConfigDump, name: SectionName, reason: string): Message {
  try {
    return dump.section(name);
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${reason}: ${error.message}`);
    throw error;
  }
}

/** What `/clusters?format=json` of a proxy has answered: an `envoy.admin.v3.Clusters`. Throws a UserError. */
export function readClusters(text: string): Message {
  return canonical('Clusters', parseAnswer(text));
}

/** The members of a section, each in an Any in `field` of an entry, or deeper. */
export function resourcesOf(section: Message, list: string, pick: (entry: Message) => Message | undefined): Message[] {
  return messagesAt(section, list).flatMap((entry) => {
    const any = pick(entry);
    return any === undefined ? [] : [unpacked(any)];
  });
}

function canonical(name: string, json: JsonValue): Message {
  const schema = schemaOf(PACKAGE + name);
  if (schema === undefined) throw new Error(`no schema of ${name}`);
  try {
    return canonicalMessage(schema, json);
  } catch (error) {
    if (error instanceof UserError) throw unreadable(`${name}: ${error.message}`);
    throw error;
  }
}

/** The object that an admin interface has answered. Throws a UserError. */
export function parseAnswer(text: string): { [key: string]: JsonValue } {
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw unreadable(messageOf(error));
  }
  if (!isObject(json)) throw unreadable('it is not an object');
  return json;
}

function isObject(json: JsonValue | undefined): json is { [key: string]: JsonValue } {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function unreadable(why: string): UserError {
  return new UserError(`error unmarshalling config dump response from Envoy: ${why}`);
}
