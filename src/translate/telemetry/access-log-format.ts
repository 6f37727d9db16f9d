import type { JsonObject, MessageInitShape } from '@bufbuild/protobuf';
import type { TypedExtensionConfigSchema } from '../../api/gen/envoy/config/core/v3/extension_pb.ts';
import type { SubstitutionFormatStringSchema } from '../../api/gen/envoy/config/core/v3/substitution_format_string_pb.ts';
import { ReqWithoutQuerySchema } from '../../api/gen/envoy/extensions/formatter/req_without_query/v3/req_without_query_pb.ts';
import { extension } from '../proto/any.ts';

type Formatter = MessageInitShape<typeof TypedExtensionConfigSchema> & object;

/** What Istio logs of a request unless told otherwise (istio.io/latest/docs/tasks/observability/logs/access-log). */
export const DEFAULT_TEXT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

const DEFAULT_JSON_FORMAT: JsonObject = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};

type Format = MessageInitShape<typeof SubstitutionFormatStringSchema> & object;

/** A line of text for each request: a newline is added where it is missing. */
export function textFormat(text: string | undefined, omitEmptyValues: boolean): Format {
  const line = text ? (text.endsWith('\n') ? text : `${text}\n`) : DEFAULT_TEXT_FORMAT;
  return {
    format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: line } } },
    formatters: formattersFor([line]),
    omitEmptyValues,
  };
}

/** A JSON object for each request. */
export function jsonFormat(fields: JsonObject | undefined, omitEmptyValues: boolean): Format {
  const format = fields !== undefined && Object.keys(fields).length > 0 ? fields : DEFAULT_JSON_FORMAT;
  return {
    format: { case: 'jsonFormat', value: { ...format } },
    jsonFormatOptions: {},
    formatters: formattersFor(Object.values(format)),
    omitEmptyValues,
  };
}

/** Formatters that Envoy does not have built in, for the commands that need them. */
export function formattersFor(texts: readonly unknown[]): Formatter[] {
  const used = texts.some((text) => typeof text === 'string' && text.includes('%REQ_WITHOUT_QUERY'));
  return used ? [extension('envoy.formatter.req_without_query', ReqWithoutQuerySchema, {})] : [];
}
