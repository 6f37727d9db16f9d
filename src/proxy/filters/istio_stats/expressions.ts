import { streamActivation } from '../../cel/attributes.ts';
import { type Activation, compileCel, type Program } from '../../cel/compile.ts';
import { CelSyntaxError } from '../../cel/tokens.ts';
import { CelError, print } from '../../cel/values.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { NodeIdentity } from '../../context.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import { UNKNOWN } from './peers.ts';

/** The expressions of one configuration, each of which is worked out once for a stream. */
export class Expressions {
  readonly #programs: Program[] = [];
  readonly #indexes = new Map<string, number>();
  readonly #activation: (info: StreamInfo) => Activation;

  constructor(node: NodeIdentity) {
    this.#activation = streamActivation(node);
  }

  get size(): number {
    return this.#programs.length;
  }

  /** Index of an expression among the values, or undefined and an error if it is none. */
  add(text: string, errors: ConfigErrors): number | undefined {
    const known = this.#indexes.get(text);
    if (known !== undefined) return known;
    try {
      this.#programs.push(compileCel(text));
    } catch (error) {
      if (!(error instanceof CelSyntaxError)) throw error;
      errors.add('', `${JSON.stringify(text)} is not a CEL expression: ${error.message}`);
      return undefined;
    }
    const index = this.#programs.length - 1;
    this.#indexes.set(text, index);
    return index;
  }

  /** What the expressions come to as texts of labels, in their order; `unknown` for one without a value. */
  values(info: StreamInfo): readonly string[] {
    const activation = this.#activation(info);
    return this.#programs.map((program) => {
      try {
        return print(program(activation));
      } catch (error) {
        if (error instanceof CelError) return UNKNOWN;
        throw error;
      }
    });
  }
}
