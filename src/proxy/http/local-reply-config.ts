import type { SubstitutionFormatString } from '../../api/gen/envoy/config/core/v3/substitution_format_string_pb.ts';
import type { LocalReplyConfig } from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import { readDataSource } from '../config/data-source.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { type LogFilter, type LogFilterContext, logFilter } from '../observe/access-log/log-filter.ts';
import { compileSubstitution } from '../observe/format/substitution.ts';
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
    const body = mapper.body && readDataSource(mapper.body, at.at('body'))?.toString('utf8');
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
  const render = proto && compileSubstitution(proto, errors);
  if (render === undefined) return undefined;
  if (proto!.format.case !== 'jsonFormat') return { render, contentType: proto!.contentType || TEXT };
  return { render: (info) => `${render(info)}\n`, contentType: proto!.contentType || 'application/json' };
}
