import type { SubstitutionFormatString } from '../../api/gen/envoy/config/core/v3/substitution_format_string_pb.ts';
import type { LocalReplyConfig } from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { type LogFilter, type LogFilterContext, logFilter } from '../observe/access-log/log-filter.ts';
import { compileFormat } from '../observe/format/format.ts';
import { compileJsonFormat } from '../observe/format/json-format.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import { type HeaderEdits, headerEdits } from '../router/header-edits.ts';

/** What `local_reply_config` makes of an answer of ours. */
export interface MappedReply {
  readonly status: number;
  readonly body: string;
  readonly contentType: string;
  readonly edits: HeaderEdits | undefined;
}

/** Rewrites an answer; `info` has the status, flags and details of the answer set already. */
export type LocalReplyMapper = (info: StreamInfo, status: number, body: string) => MappedReply;

interface BodyFormat {
  render(info: StreamInfo): string;
  readonly contentType: string;
}

const TEXT = 'text/plain';

/** Compiles `local_reply_config`; without it, answers are text as they were given. */
export function localReplyMapper(
  proto: LocalReplyConfig | undefined,
  context: LogFilterContext,
  errors: ConfigErrors,
): LocalReplyMapper {
  if (proto === undefined) return (_info, status, body) => ({ status, body, contentType: TEXT, edits: undefined });
  const format = bodyFormat(proto.bodyFormat, errors.at('body_format'));
  const mappers = proto.mappers.map((mapper, i) => {
    const at = errors.at('mappers').at(i);
    const filter: LogFilter | undefined = logFilter(mapper.filter, context, at.at('filter'));
    const source = mapper.body?.specifier;
    let body: string | undefined;
    if (source?.case === 'inlineString') body = source.value;
    else if (source?.case === 'inlineBytes') body = Buffer.from(source.value).toString('utf8');
    else if (source?.case !== undefined) at.add(`body.${source.case}`, 'is not supported');
    return {
      filter,
      status: mapper.statusCode,
      body,
      format: bodyFormat(mapper.bodyFormatOverride, at.at('body_format_override')),
      edits: headerEdits(mapper.headersToAdd, [], at, 'headers'),
    };
  });
  return (info, status, body) => {
    const mapper = mappers.find((m) => m.filter === undefined || m.filter(info));
    const code = mapper?.status ?? status;
    info.responseCode = code;
    info.localReplyBody = mapper?.body ?? body;
    const used = mapper?.format ?? format;
    return {
      status: code,
      body: used ? used.render(info) : info.localReplyBody,
      contentType: used?.contentType ?? TEXT,
      edits: mapper?.edits,
    };
  };
}

function bodyFormat(proto: SubstitutionFormatString | undefined, errors: ConfigErrors): BodyFormat | undefined {
  if (proto === undefined) return undefined;
  try {
    if (proto.format.case === 'jsonFormat') {
      const render = compileJsonFormat(proto.format.value, proto.omitEmptyValues);
      return { render: (info) => `${render(info)}\n`, contentType: proto.contentType || 'application/json' };
    }
    const source = proto.format.case === 'textFormatSource' ? proto.format.value.specifier : undefined;
    const text =
      proto.format.case === 'textFormat'
        ? proto.format.value
        : source?.case === 'inlineString'
          ? source.value
          : undefined;
    if (text === undefined) throw new Error('a text or JSON format is needed');
    const format = compileFormat(text);
    const absent = proto.omitEmptyValues ? '' : '-';
    return { render: (info) => format.render(info, absent), contentType: proto.contentType || TEXT };
  } catch (error) {
    errors.add('', (error as Error).message);
    return undefined;
  }
}
