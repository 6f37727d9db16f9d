import { fromBinary } from '@bufbuild/protobuf';
import type { RouteMatch } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { UriTemplateMatchConfigSchema } from '../../api/gen/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.ts';
import { typeNameOf } from '../../api/registry.ts';
import { fromWireForm, wireForm } from '../../base/bytes.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { compileRegex } from './string-match.ts';
import { compileUriTemplate } from './uri-template.ts';

/** How a route matches the path, and what a rewrite may replace of it. */
export interface PathMatch {
  readonly kind: 'prefix' | 'path' | 'regex' | 'connect' | 'separated-prefix' | 'template';
  /** The prefix or path that is matched: what `prefix_rewrite` replaces. Empty for the other kinds. */
  readonly text: string;
  /** `path` is the path with its query; `end` where the query begins. */
  matches(path: string, end: number, headers: Headers): boolean;
}

const NEVER: PathMatch = { kind: 'regex', text: '', matches: () => false };

/** Compiles the path specifier of a RouteMatch. What is matched has no query. */
export function pathMatch(match: RouteMatch, errors: ConfigErrors): PathMatch {
  const { pathSpecifier: specifier } = match;
  const sensitive = match.caseSensitive ?? true;
  const fold = sensitive ? (text: string) => text : (text: string) => text.toLowerCase();
  switch (specifier.case) {
    case 'prefix': {
      const text = fold(wireForm(specifier.value));
      const matches = sensitive
        ? (path: string) => path.startsWith(text)
        : (path: string) => path.slice(0, text.length).toLowerCase() === text;
      return { kind: 'prefix', text: specifier.value, matches: text === '/' ? startsWithSlash : matches };
    }
    case 'path': {
      const text = fold(wireForm(specifier.value));
      return {
        kind: 'path',
        text: specifier.value,
        matches: (path, end) => end === text.length && fold(path.slice(0, end)) === text,
      };
    }
    case 'pathSeparatedPrefix': {
      const text = fold(wireForm(specifier.value));
      return {
        kind: 'separated-prefix',
        text: specifier.value,
        matches: (path, end) =>
          end >= text.length &&
          fold(path.slice(0, text.length)) === text &&
          (end === text.length || path.charCodeAt(text.length) === 47),
      };
    }
    case 'safeRegex': {
      const regex = compileRegex(specifier.value.regex, errors.at('safe_regex'));
      if (regex === undefined) return NEVER;
      return { kind: 'regex', text: '', matches: (path, end) => regex.testExact(fromWireForm(path.slice(0, end))) };
    }
    case 'connectMatcher':
      return { kind: 'connect', text: '', matches: (_path, _end, headers) => headers.method === 'CONNECT' };
    case 'pathMatchPolicy':
      return templateMatch(specifier.value.typedConfig, errors.at('path_match_policy'));
    default:
      errors.add('', 'a path specifier is needed');
      return NEVER;
  }
}

function startsWithSlash(path: string): boolean {
  return path.charCodeAt(0) === 47;
}

function templateMatch(any: { typeUrl: string; value: Uint8Array } | undefined, errors: ConfigErrors): PathMatch {
  if (any === undefined || typeNameOf(any.typeUrl) !== UriTemplateMatchConfigSchema.typeName) {
    errors.add('typed_config', `${any?.typeUrl ?? 'nothing'} is not supported`);
    return NEVER;
  }
  const template = fromBinary(UriTemplateMatchConfigSchema, any.value).pathTemplate;
  const compiled = compileUriTemplate(template, errors.at('path_template'));
  if (compiled === undefined) return NEVER;
  return { kind: 'template', text: template, matches: (path, end) => compiled.test(path.slice(0, end)) };
}
