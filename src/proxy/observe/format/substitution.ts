import type { SubstitutionFormatString } from '../../../api/gen/envoy/config/core/v3/substitution_format_string_pb.ts';
import { messageOf } from '../../../base/errors.ts';
import { readDataSource } from '../../config/data-source.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { StreamInfo } from '../stream-info.ts';
import { compileFormat } from './format.ts';
import { compileJsonFormat } from './json-format.ts';

/** Compiles a `SubstitutionFormatString`; undefined if something is wrong with it, which is in the errors then. */
export function compileSubstitution(
  proto: SubstitutionFormatString,
  errors: ConfigErrors,
): ((info: StreamInfo) => string) | undefined {
  const { format, omitEmptyValues: omitEmpty } = proto;
  try {
    if (format.case === 'jsonFormat') {
      return compileJsonFormat(format.value, omitEmpty);
    }
    const text = textOf(format, errors);
    if (text === undefined) {
      if (!errors.any) errors.add('', 'a text or JSON format is needed');
      return undefined;
    }
    const compiled = compileFormat(text);
    const absent = omitEmpty ? '' : '-';
    return (info) => compiled.render(info, absent);
  } catch (error) {
    errors.add('', messageOf(error));
    return undefined;
  }
}

function textOf(format: SubstitutionFormatString['format'], errors: ConfigErrors): string | undefined {
  if (format.case === 'textFormat') return format.value;
  if (format.case !== 'textFormatSource') return undefined;
  return readDataSource(format.value, errors.at('text_format_source'))?.toString('utf8');
}
