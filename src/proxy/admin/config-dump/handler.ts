import { RE2JS } from 're2js';
import { schemaOf } from '../../../api/registry.ts';
import { type AdminAnswer, type AdminHandler, JSON_TYPE } from '../handler.ts';
import type { AdminProxy } from '../proxy.ts';
import { regexProblem } from '../regex.ts';
import { bootstrapSection, clustersSection } from './clusters.ts';
import { endpointsSection } from './endpoints.ts';
import { extensionsSection } from './extensions.ts';
import { listenersSection } from './listeners.ts';
import { applyMask, type Mask, maskFits, parseMask } from './mask.ts';
import { routesSection, scopedRoutesSection } from './routes.ts';
import { secretsSection } from './secrets.ts';
import { type JsonObject, type Section, type SectionList, TYPE_PREFIX } from './section.ts';

type NameTest = (name: string) => boolean;

/** `/config_dump`, piece by piece: what all clusters of a large mesh are never stands in memory at once. */
export const configDump: AdminHandler = {
  path: '/config_dump',
  help: 'print the configuration that is in use',
  parameters: [
    { id: 'resource', help: 'Only the items of this field of the dump, such as dynamic_listeners', kind: 'text' },
    {
      id: 'mask',
      help: 'Only these fields (a FieldMask): of the dump, or with resource of each of its items',
      kind: 'text',
    },
    { id: 'name_regex', help: 'Only items whose name matches this regular expression (RE2)', kind: 'text' },
    { id: 'include_eds', help: 'Endpoints as well', kind: 'flag' },
  ],
  run(proxy, query) {
    const names = nameTest(query.get('name_regex'));
    if ('answer' in names) return names.answer;
    const sections = allSections(proxy, query.has('include_eds'));
    const resource = query.get('resource');
    const maskText = query.get('mask');
    const mask = maskText === undefined ? undefined : parseMask(maskText);
    return resource === undefined
      ? dumpSections(sections, mask, maskText ?? '', names.test)
      : dumpResource(sections, resource, mask, maskText ?? '', names.test);
  },
};

function allSections(proxy: AdminProxy, endpoints: boolean): Section[] {
  return [
    bootstrapSection(proxy),
    clustersSection(proxy),
    ...(proxy.extensions.used ? [extensionsSection(proxy)] : []),
    ...(endpoints ? [endpointsSection(proxy)] : []),
    listenersSection(proxy),
    scopedRoutesSection,
    routesSection(proxy),
    secretsSection(proxy),
  ];
}

function nameTest(regex: string | undefined): { readonly test: NameTest } | { readonly answer: AdminAnswer } {
  if (regex === undefined || regex === '') return { test: () => true };
  try {
    const compiled = RE2JS.compile(regex);
    return { test: (name) => compiled.testExact(name) };
  } catch (error) {
    const body = `INVALID_ARGUMENT: Error while parsing name_regex from ${regex}: ${regexProblem(error)}`;
    return { answer: { status: 400, type: 'text/plain', body } };
  }
}

function dumpSections(sections: Section[], mask: Mask | undefined, text: string, test: NameTest): AdminAnswer {
  if (mask === undefined) return { type: JSON_TYPE, body: document(sections.map((s) => sectionText(s, test))) };
  const masked = sections.filter(({ type }) => maskFits(mask, type));
  if (masked.length === 0) {
    const body = `FieldMask ${text} could not be successfully applied to any configs.`;
    return { status: 400, type: 'text/plain', body };
  }
  return { type: JSON_TYPE, body: document(masked.map((s) => sectionText(maskSection(s, mask), test))) };
}

function maskSection({ type, fields, lists }: Section, mask: Mask): Section {
  return {
    type,
    fields: applyMask(mask, fields) ?? {},
    lists: lists
      .filter(({ field }) => mask.has(field))
      .map((list) => ({
        ...list,
        *items() {
          for (const { name, json } of list.items()) {
            const kept = applyMask(mask.get(list.field)!, json);
            if (kept) yield { name, json: kept };
          }
        },
      })),
  };
}

function dumpResource(
  sections: Section[],
  resource: string,
  mask: Mask | undefined,
  text: string,
  test: NameTest,
): AdminAnswer {
  for (const { type, lists } of sections) {
    const list = lists.find(({ field }) => field === resource);
    if (list !== undefined) return dumpList(list, mask, text, test);
    if (schemaOf(type)?.fields.some(({ name }) => name === resource)) {
      const body = `${resource} is not a repeated field. Use ?mask=${resource} to get only this field`;
      return { status: 400, type: 'text/plain', body };
    }
  }
  return { status: 404, type: 'text/plain', body: `${resource} not found in config dump` };
}

function dumpList(list: SectionList, mask: Mask | undefined, text: string, test: NameTest): AdminAnswer {
  const refuse = (): AdminAnswer => ({
    status: 400,
    type: 'text/plain',
    body: `FieldMask paths: "${text}" could not be successfully used.`,
  });
  if (mask !== undefined && !maskFits(mask, list.itemType)) return refuse();
  // A mask that does not fit what is inside shows at the first item; the answer has not begun then.
  for (const { json } of list.items()) {
    if (mask !== undefined && applyMask(mask, json) === undefined) return refuse();
    break;
  }
  const items = function* () {
    for (const { name, json } of list.items()) {
      if (!test(name)) continue;
      const kept = mask === undefined ? json : applyMask(mask, json);
      if (kept) yield [indent({ '@type': TYPE_PREFIX + list.itemType, ...kept }, 2)];
    }
  };
  return { type: JSON_TYPE, body: document(items()) };
}

/** `{"configs": [...]}` around items that are laid out already. */
function* document(items: Iterable<Iterable<string>>): Generator<string> {
  let before = '{\n "configs": [\n';
  for (const item of items) {
    yield before;
    yield* item;
    before = ',\n';
  }
  yield before === ',\n' ? '\n ]\n}\n' : '{}\n';
}

function* sectionText({ type, fields, lists }: Section, test: NameTest): Generator<string> {
  const head = indent({ '@type': TYPE_PREFIX + type, ...fields }, 2);
  yield head.slice(0, -'\n  }'.length);
  for (const { field, items } of lists) {
    let before = `,\n   ${JSON.stringify(field)}: [\n`;
    for (const { name, json } of items()) {
      if (!test(name)) continue;
      yield before + indent(json, 4);
      before = ',\n';
    }
    if (before === ',\n') yield '\n   ]';
  }
  yield '\n  }';
}

/** JSON as Envoy lays it out, at some depth. */
function indent(json: JsonObject, depth: number): string {
  const space = ' '.repeat(depth);
  return space + JSON.stringify(json, null, 1).replaceAll('\n', `\n${space}`);
}
