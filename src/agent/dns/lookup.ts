import { isIP } from 'node:net';
import type { Answer, Packet, Question } from 'dns-packet';
import type { NameInfo, NameTable } from '../../api/name-table.ts';

/** Seconds that an answer may be kept: what a name stands for may change at any time. */
const TTL_S = 30;

/** The names by which programs beside one proxy find services. */
export class NameLookup {
  readonly #names: ReadonlyMap<string, NameInfo>;
  readonly #search: readonly string[];

  /** `namespace` is the proxy's own, whose services go by their short names; `search` the suffixes a resolver adds. */
  constructor(table: NameTable, namespace: string, search: readonly string[]) {
    const names = new Map<string, NameInfo>();
    for (const [host, info] of table) {
      names.set(host, info);
      if (info.registry !== 'Kubernetes') continue;
      const { shortname, namespace: own } = info;
      for (const name of [`${shortname}.${own}`, `${shortname}.${own}.svc`]) names.set(name, names.get(name) ?? info);
      if (own === namespace) names.set(shortname, names.get(shortname) ?? info);
    }
    this.#names = names;
    this.#search = search.map((suffix) => `.${suffix.toLowerCase().replace(/\.$/, '')}`);
  }

  /** The answer to a question, by the mesh or else by `hosts` (hosts(5)); undefined where somebody else has to be asked. */
  answer(query: Packet, hosts?: ReadonlyMap<string, readonly string[]>): Packet | undefined {
    const question = query.questions?.[0];
    if (question === undefined || query.questions?.length !== 1) return undefined;
    const asked = question.name.toLowerCase().replace(/\.$/, '');
    const name = this.#known(asked);
    const ips = (name === undefined ? undefined : this.#find(name)?.ips) ?? hosts?.get(asked);
    if (ips === undefined) return undefined;
    const answers: Answer[] = [];
    const isLonger = name !== undefined && name !== asked;
    if (isLonger) answers.push({ type: 'CNAME', name: question.name, ttl: TTL_S, data: name });
    answers.push(...addresses(question, isLonger ? name : question.name, ips));
    return {
      type: 'response',
      id: query.id ?? 0,
      // Authoritative, and recursion is to be had.
      flags: 0x0400 | 0x0080 | ((query.flags ?? 0) & 0x0100),
      questions: [question],
      answers,
    };
  }

  /** The name itself, or what is left of it without what a resolver has added. */
  #known(asked: string): string | undefined {
    if (this.#find(asked)) return asked;
    for (const suffix of this.#search) {
      const rest = asked.endsWith(suffix) ? asked.slice(0, -suffix.length) : '';
      if (rest !== '' && this.#find(rest)) return rest;
    }
    return undefined;
  }

  /** By name, or by the longest wildcard that covers it. */
  #find(name: string): NameInfo | undefined {
    const exact = this.#names.get(name);
    if (exact) return exact;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const found = this.#names.get(`*${name.slice(dot)}`);
      if (found) return found;
    }
    return undefined;
  }
}

/** None where the service has only addresses of the other family: that is an answer as well. */
function addresses({ type }: Question, name: string, ips: readonly string[]): Answer[] {
  const family = type === 'A' ? 4 : type === 'AAAA' ? 6 : 0;
  return ips
    .filter((ip) => isIP(ip) === family)
    .map((data) => ({ type: family === 4 ? 'A' : 'AAAA', name, ttl: TTL_S, data }) as Answer);
}
