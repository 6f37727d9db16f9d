import { type AdminHandler, badRequest, JSON_TYPE, pretty } from './handler.ts';

export const RUNTIME: AdminHandler = {
  path: '/runtime',
  help: 'print values of the runtime, layer by layer',
  run({ runtime }) {
    const entries = Object.fromEntries(
      runtime
        .entries()
        .sort((a, b) => (a.key < b.key ? -1 : 1))
        .map(({ key, final, values }) => [
          key,
          { final_value: final.text, layer_values: values.map((value) => value?.text ?? '') },
        ]),
    );
    return { type: JSON_TYPE, body: `${pretty({ entries, layers: runtime.layers })}\n` };
  },
};

export const RUNTIME_MODIFY: AdminHandler = {
  path: '/runtime_modify',
  help: 'set values in the admin layer of the runtime, each a parameter; an empty value takes one out again',
  mutates: true,
  run({ runtime }, query) {
    if (query.size === 0) {
      return badRequest(
        'usage: /runtime_modify?key1=value1&key2=value2, or the same as a form; an empty value takes a key out again\n',
      );
    }
    return runtime.modify(query) ? { body: 'OK\n' } : { status: 503, body: 'No admin layer specified\n' };
  },
};
