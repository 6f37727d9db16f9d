import { TYPE_URL_PREFIX } from '../../api/registry.ts';
import { goSort } from '../output/go-sort.ts';
import { compareText, type Message } from '../output/json.ts';
import { formatTable } from '../output/table.ts';
import { messageAt, messagesAt, textAt } from './fields.ts';

/** The table of `proxy-config ecds`: extension configurations that came by ECDS, by their type and name. */
export function summarizeExtensions(section: Message): string {
  const rows: [string, string][] = messagesAt(section, 'ecdsFilters').map((entry) => {
    const filter = messageAt(entry, 'ecdsFilter');
    return [textAt(filter, 'name'), textAt(filter, 'typedConfig', '@type')];
  });
  goSort(rows, (a, b) => (compareText(a[1], b[1]) || compareText(a[0], b[0])) < 0);
  const shown = rows.map(([name, typeUrl]) => [
    name,
    typeUrl.startsWith(TYPE_URL_PREFIX) ? typeUrl.slice(TYPE_URL_PREFIX.length) : typeUrl,
  ]);
  return formatTable([['ECDS NAME', 'TYPE'], ...shown]);
}
