import { formatMessage, type Message, originOf, referenceOf } from '../analysis/message.ts';
import { isIstioCode } from '../analysis/message-types.ts';
import { ISTIO_VERSION } from '../base/version.ts';
import { formatJson, type Message as PrintableMessage } from './output/json.ts';
import { formatYaml } from './output/yaml.ts';

export type OutputFormat = 'log' | 'json' | 'yaml';

/** Messages as istioctl prints them, without the last newline. */
export function formatMessages(messages: readonly Message[], format: OutputFormat, color: boolean): string {
  switch (format) {
    case 'log':
      return messages.map((message) => formatMessage(message, color)).join('\n');
    case 'json':
      return formatJson(messages.map(toPrintable), '\t');
    case 'yaml':
      return formatYaml(messages.map(toPrintable));
  }
}

/** What istioctl tells of a message, and besides the field that it is about and its column. */
function toPrintable(message: Message): PrintableMessage {
  const { code, level, text, field, at } = message;
  const reference = referenceOf(message);
  const [major, minor] = ISTIO_VERSION.split('.');
  const page = `https://istio.io/v${major}.${minor}/docs/reference/config/analysis/${code.toLowerCase()}/?ref=istioctl-analyze`;
  return {
    code,
    ...(at?.column === undefined ? {} : { column: at.column }),
    ...(isIstioCode(code) ? { documentationUrl: page } : {}),
    ...(field === undefined ? {} : { field }),
    level,
    message: text,
    origin: originOf(message),
    ...(reference === undefined ? {} : { reference }),
  };
}
