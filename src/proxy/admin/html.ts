import type { AdminHandler } from './handler.ts';

/** A page of its own: nothing on it comes from elsewhere. */
export function* page(title: string, text: Iterable<string>): Generator<string> {
  yield `<!DOCTYPE html>\n<html lang="en">\n<head><title>${escapeHtml(title)}</title></head>\n<body>\n<pre>\n`;
  for (const piece of text) yield escapeHtml(piece);
  yield '</pre>\n</body>\n</html>\n';
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** The start page: every command with its parameters, to be clicked. */
export function home(handlers: readonly AdminHandler[]): string {
  const rows = handlers.filter(({ path }) => path !== '/').map(row);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<title>Envoy Admin</title>
<style>
body { font-family: sans-serif; }
td { padding: 4px; text-align: left; vertical-align: top; }
tr:nth-child(odd) { background-color: #eee; }
label { display: block; }
</style>
</head>
<body>
<table>
<thead><tr><th>Command</th><th>Description</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</body>
</html>
`;
}

function row({ path, help, mutates, parameters = [] }: AdminHandler): string {
  const target = path.slice(1);
  const method = mutates ? 'post' : 'get';
  const fields = parameters.map(({ id, help: text, choices, kind }) => {
    const input =
      choices !== undefined
        ? `<select name="${id}">${['', ...choices].map((c) => `<option>${escapeHtml(c)}</option>`).join('')}</select>`
        : kind === 'flag'
          ? `<input type="checkbox" name="${id}" value="">`
          : `<input type="text" name="${id}">`;
    return `<label>${input} ${escapeHtml(id)}: ${escapeHtml(text)}</label>`;
  });
  const form = `<form action="${target}" method="${method}"><button>${escapeHtml(target)}</button>${fields.join('')}</form>`;
  return `<tr><td>${form}</td><td>${escapeHtml(help)}</td></tr>`;
}
