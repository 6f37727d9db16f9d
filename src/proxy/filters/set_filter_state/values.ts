import type { FilterStateValue } from '../../../api/gen/envoy/extensions/filters/common/set_filter_state/v3/value_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { SupportTable } from '../../config/supported.ts';
import {
  DYNAMIC_HOST,
  DYNAMIC_PORT,
  HITS_ADDEND,
  TCP_PROXY_CLUSTER,
  UPSTREAM_ALPN,
  UPSTREAM_SANS,
  UPSTREAM_SNI,
} from '../../observe/filter-state.ts';
import { compileSubstitution } from '../../observe/format/substitution.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';

/** Messages that {@link filterStateValues} reads. */
export const FILTER_STATE_VALUES: SupportTable = {
  // Nothing here is ever overwritten by another part of the proxy, and there are no internal listeners to share with.
  'envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue': [
    'object_key',
    'factory_key',
    'format_string',
    'read_only',
    'shared_with_upstream',
    'skip_if_empty',
  ],
  'envoy.config.core.v3.SubstitutionFormatString': [
    'text_format',
    'json_format',
    'text_format_source',
    'omit_empty_values',
    'content_type',
    'json_format_options',
  ],
  'envoy.config.core.v3.JsonFormatOptions': ['sort_properties'],
  'envoy.config.core.v3.DataSource': ['inline_string', 'inline_bytes'],
};

/** Makes an object of a text; undefined if the text is none for it. */
type ObjectFactory = (text: string) => unknown;

const asText: ObjectFactory = (text) => text;
const asList: ObjectFactory = (text) => text.split(',');
const asCount: ObjectFactory = (text) => (/^\d+$/.test(text) && Number(text) < 2 ** 32 ? Number(text) : undefined);

/** Objects of Envoy's filter state that are made of a text, by the names of their factories. */
const FACTORIES: Readonly<Record<string, ObjectFactory>> = {
  'envoy.string': asText,
  'envoy.hashable_string': asText,
  [TCP_PROXY_CLUSTER]: asText,
  [DYNAMIC_HOST]: asText,
  [DYNAMIC_PORT]: asCount,
  [UPSTREAM_SNI]: asText,
  [UPSTREAM_ALPN]: asList,
  [UPSTREAM_SANS]: asList,
  [HITS_ADDEND]: asCount,
};

/** Sets what a list of `FilterStateValue` says, each by itself and in order. */
export type SetFilterState = (info: StreamInfo, set: (name: string, value: unknown) => void) => void;

/** Compiles a list of values, which are set in order; one that is no value of its kind is left out. */
export function filterStateValues(protos: readonly FilterStateValue[], errors: ConfigErrors): SetFilterState {
  const values = protos.map((proto, i) => compile(proto, errors.at(i)));
  return (info, set) => {
    for (const { name, render, factory, skipIfEmpty } of values) {
      const text = render(info);
      if (text === '' && skipIfEmpty) continue;
      const value = factory(text);
      if (value !== undefined) set(name, value);
    }
  };
}

function compile(proto: FilterStateValue, errors: ConfigErrors) {
  const { key, value, factoryKey, skipIfEmpty } = proto;
  const name = key.value ?? '';
  if (name === '') errors.add('object_key', 'must not be empty');
  const known = factoryKey || name;
  const factory = Object.hasOwn(FACTORIES, known) ? FACTORIES[known] : undefined;
  if (factory === undefined && name !== '') {
    const field = factoryKey === '' ? 'object_key' : 'factory_key';
    errors.add(field, `${JSON.stringify(known)} is no object that is made of a text; envoy.string is one`);
  }
  const format = value.case === 'formatString' ? value.value : undefined;
  if (format === undefined) errors.add('format_string', 'is needed');
  const render = format && compileSubstitution(format, errors.at('format_string'));
  return { name, skipIfEmpty, factory: factory ?? asText, render: render ?? (() => '') };
}
