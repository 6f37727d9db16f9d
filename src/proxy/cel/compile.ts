import { FUNCTIONS, indexOf } from './functions.ts';
import { type Expr, parseCel } from './parser.ts';
import { CelSyntaxError } from './tokens.ts';
import { CelError, type CelMap, type CelValue, equal, isList, isMap, NO_VALUE } from './values.ts';

/** What the names of an expression stand for; undefined for a name that stands for nothing. */
export type Activation = (name: string) => CelValue | undefined;

/** An expression that was understood. Throws a CelError where it has no value. */
export type Program = (activation: Activation) => CelValue;

/** Variables that macros bind go before all other names. */
interface Scope {
  readonly name: string;
  readonly value: CelValue;
  readonly outer: Scope | undefined;
}

type Step = (activation: Activation, scope: Scope | undefined) => CelValue;

/** Understands an expression; throws a CelSyntaxError for what is none, or calls what there is not. */
export function compileCel(text: string): Program {
  const step = compile(parseCel(text));
  return (activation) => step(activation, undefined);
}

function compile(expr: Expr): Step {
  switch (expr.kind) {
    case 'literal': {
      const { value } = expr;
      return () => value;
    }
    case 'name': {
      const { name } = expr;
      return (activation, scope) => {
        for (let at = scope; at !== undefined; at = at.outer) if (at.name === name) return at.value;
        const value = activation(name);
        if (value === undefined) throw NO_VALUE;
        return value;
      };
    }
    case 'field': {
      const of = compile(expr.of);
      const { name } = expr;
      return (activation, scope) => {
        const map = of(activation, scope);
        if (!isMap(map)) throw NO_VALUE;
        return indexOf(map, name);
      };
    }
    case 'list': {
      const items = expr.items.map(compile);
      return (activation, scope) => items.map((item) => item(activation, scope));
    }
    case 'map': {
      const entries = expr.entries.map(([key, value]) => [compile(key), compile(value)] as const);
      return (activation, scope) =>
        new EntryMap(entries.map(([key, value]) => [key(activation, scope), value(activation, scope)]));
    }
    default:
      return compileCall(expr);
  }
}

type Call = Extract<Expr, { kind: 'call' }>;

function compileCall(call: Call): Step {
  const macro = compileMacro(call);
  if (macro !== undefined) return macro;
  const { name, target } = call;
  const args = (target === undefined ? call.args : [target, ...call.args]).map(compile);
  switch (name) {
    case '&&':
      return logic(args[0], args[1], false);
    case '||':
      return logic(args[0], args[1], true);
    case '?:':
      return (activation, scope) => {
        const condition = args[0](activation, scope);
        if (typeof condition !== 'boolean') throw NO_VALUE;
        return args[condition ? 1 : 2](activation, scope);
      };
  }
  const known = FUNCTIONS.get(name);
  if (known === undefined) throw new CelSyntaxError(`there is no function ${name}()`);
  if (known.arity !== args.length) {
    throw new CelSyntaxError(`${name}() takes ${known.arity} arguments, not ${args.length}`);
  }
  const work = known.call;
  const [first, second] = args;
  if (second === undefined) return (activation, scope) => work(first(activation, scope));
  return (activation, scope) => work(first(activation, scope), second(activation, scope));
}

/** `&&` (decisive: false) and `||`: one side that decides makes up for the other one's having no value. */
function logic(left: Step, right: Step, decisive: boolean): Step {
  return (activation, scope) => {
    let missing = false;
    for (const side of [left, right]) {
      const value = attempt(side, activation, scope);
      if (value === decisive) return decisive;
      if (typeof value !== 'boolean') missing = true;
    }
    if (missing) throw NO_VALUE;
    return !decisive;
  };
}

function attempt(step: Step, activation: Activation, scope: Scope | undefined): CelValue | undefined {
  try {
    return step(activation, scope);
  } catch (error) {
    if (error instanceof CelError) return undefined;
    throw error;
  }
}

/** Macros look at what is written: `has(a.b)`, and those that bind a name to each element. */
function compileMacro({ name, target, args }: Call): Step | undefined {
  if (name === 'has' && target === undefined && args.length === 1) {
    const [field] = args;
    if (field.kind !== 'field') throw new CelSyntaxError('has() needs a field, such as has(request.headers)');
    const of = compile(field.of);
    return (activation, scope) => {
      const map = of(activation, scope);
      if (!isMap(map)) throw NO_VALUE;
      return map.get(field.name) !== undefined;
    };
  }
  const [variable, body] = args;
  if (target === undefined || args.length !== 2 || variable.kind !== 'name') return undefined;
  const fold = FOLDS[name];
  if (fold === undefined) return undefined;
  const of = compile(target);
  const each = compile(body);
  return (activation, scope) => {
    const whole = of(activation, scope);
    const items = isList(whole) ? whole : isMap(whole) ? [...whole.keys()] : undefined;
    if (items === undefined) throw NO_VALUE;
    return fold(items, (value) => each(activation, { name: variable.name, value, outer: scope }));
  };
}

type Fold = (items: readonly CelValue[], of: (item: CelValue) => CelValue) => CelValue;

function truth(value: CelValue): boolean {
  if (typeof value !== 'boolean') throw NO_VALUE;
  return value;
}

const one: Fold = (items, of) => items.filter((item) => truth(of(item))).length === 1;

const FOLDS: Readonly<Record<string, Fold>> = {
  all: (items, of) => items.every((item) => truth(of(item))),
  exists: (items, of) => items.some((item) => truth(of(item))),
  exists_one: one,
  existsOne: one,
  filter: (items, of) => items.filter((item) => truth(of(item))),
  map: (items, of) => items.map(of),
};

/** A map that an expression spells out. */
class EntryMap implements CelMap {
  readonly #entries: readonly (readonly [CelValue, CelValue])[];

  constructor(entries: readonly (readonly [CelValue, CelValue])[]) {
    this.#entries = entries;
  }

  get(key: CelValue): CelValue | undefined {
    return this.#entries.find(([other]) => equal(other, key))?.[1];
  }

  keys(): Iterable<CelValue> {
    return this.#entries.map(([key]) => key);
  }
}
