import { fromBinary } from '@bufbuild/protobuf';
import type { RouteAction } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { UriTemplateRewriteConfigSchema } from '../../api/gen/envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite_pb.ts';
import type { RegexMatchAndSubstitute } from '../../api/gen/envoy/type/matcher/v3/regex_pb.ts';
import { typeNameOf } from '../../api/registry.ts';
import { fromWireForm, wireForm } from '../../base/bytes.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { compileFormat } from '../observe/format/format.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { PathMatch } from './path-match.ts';
import { compileRegex } from './string-match.ts';
import { compileUriTemplate } from './uri-template.ts';

export type Substitution = (text: string) => string;

/** `RegexMatchAndSubstitute`: every match is replaced; `\1` to `\9` and `\0` stand for groups, as in RE2. */
export function substitution(config: RegexMatchAndSubstitute, errors: ConfigErrors): Substitution {
  const regex = config.pattern && compileRegex(config.pattern.regex, errors.at('pattern'));
  if (!regex) {
    if (!config.pattern) errors.add('pattern', 'is needed');
    return (text) => text;
  }
  // Odd parts are the digit of a group, or a backslash that was escaped.
  const parts = config.substitution.split(/\\(\d|\\)/);
  const replace = (...groups: unknown[]): string =>
    parts.map((p, i) => (i % 2 === 0 || p === '\\' ? p : String(groups[Number(p)] ?? ''))).join('');
  return (text) => wireForm(regex.matcher(fromWireForm(text)).replaceAll(replace));
}

/** Rewrites a path with its query, or leaves it as it is (undefined); `end` is where the query begins. */
export type PathRewrite = (path: string, end: number, info: StreamInfo) => string | undefined;

/**
 * A format that gives a part of a request its new value, in its wire form; what has no value prints as `absent`.
 * Undefined and an error if it is no format.
 */
export function formatted(
  text: string,
  absent: string,
  errors: ConfigErrors,
): ((info: StreamInfo) => string) | undefined {
  try {
    const format = compileFormat(text);
    return (info) => wireForm(format.render(info, absent));
  } catch (error) {
    errors.add('', (error as Error).message);
    return undefined;
  }
}

/** The path rewrite of a route action or redirect, or undefined. */
export function pathRewrite(
  action: Partial<Pick<RouteAction, 'regexRewrite' | 'pathRewritePolicy' | 'pathRewrite'>> & {
    readonly prefixRewrite: string;
  },
  match: PathMatch,
  errors: ConfigErrors,
): PathRewrite | undefined {
  const ways = [
    action.prefixRewrite !== '',
    action.regexRewrite !== undefined,
    action.pathRewritePolicy !== undefined,
    Boolean(action.pathRewrite),
  ];
  if (ways.filter(Boolean).length > 1) {
    errors.add('', 'only one of prefix_rewrite, regex_rewrite, path_rewrite_policy and path_rewrite may be set');
  }
  if (action.prefixRewrite !== '') {
    const prefix = wireForm(action.prefixRewrite);
    const matched = wireForm(match.text).length;
    // A regex has no prefix of its own: all of the path is what matched.
    if (match.kind === 'regex') return (path, end) => prefix + path.slice(end);
    return (path) => prefix + path.slice(matched);
  }
  if (action.regexRewrite) {
    const rewrite = substitution(action.regexRewrite, errors.at('regex_rewrite'));
    return (path, end) => rewrite(path.slice(0, end)) + path.slice(end);
  }
  if (action.pathRewrite) {
    const path = formatted(action.pathRewrite, '', errors.at('path_rewrite'));
    if (path === undefined) return undefined;
    return (before, end, info) => {
      const after = path(info);
      return after === '' ? undefined : after + before.slice(end);
    };
  }
  const policy = action.pathRewritePolicy?.typedConfig;
  if (policy === undefined) return undefined;
  return templateRewrite(policy, match, errors.at('path_rewrite_policy'));
}

function templateRewrite(
  any: { typeUrl: string; value: Uint8Array },
  match: PathMatch,
  errors: ConfigErrors,
): PathRewrite | undefined {
  if (typeNameOf(any.typeUrl) !== UriTemplateRewriteConfigSchema.typeName) {
    errors.add('typed_config', `${any.typeUrl} is not supported`);
    return undefined;
  }
  if (match.kind !== 'template') {
    errors.add('', 'a template rewrite needs a template match');
    return undefined;
  }
  const template = compileUriTemplate(match.text, errors);
  const target = fromBinary(UriTemplateRewriteConfigSchema, any.value).pathTemplateRewrite;
  const parts = target.split(/\{([a-zA-Z]\w*)\}/);
  return (path, end) => {
    const captured = template?.capture(path.slice(0, end));
    if (captured === undefined) return path;
    return parts.map((p, i) => (i % 2 === 0 ? p : (captured.get(p) ?? ''))).join('') + path.slice(end);
  };
}
