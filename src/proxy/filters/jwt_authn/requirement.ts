import type { JwtRequirement } from '../../../api/gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { TokenLocations } from './locations.ts';
import { Audiences, type Provider } from './provider.ts';
import { JwtStatus } from './status.ts';
import { type VerificationContext, type VerificationRules, verifyTokens } from './verification.ts';

/** What a request has to bring. `done` comes once; at once unless keys have to be fetched. */
export type Requirement = (context: VerificationContext, done: (status: JwtStatus) => void) => void;

/** The providers of a filter, by name and by issuer. */
export class Providers {
  readonly all: readonly Provider[];
  readonly #byName: ReadonlyMap<string, Provider>;
  readonly #byIssuer = new Map<string, Provider>();

  constructor(providers: readonly Provider[]) {
    this.all = providers;
    this.#byName = new Map(providers.map((p) => [p.name, p]));
    for (const provider of providers) {
      if (!this.#byIssuer.has(provider.issuer)) this.#byIssuer.set(provider.issuer, provider);
    }
  }

  byName(name: string): Provider | undefined {
    return this.#byName.get(name);
  }

  /** The first provider of the issuer, or the first one that names none. */
  readonly byIssuer = (issuer: string): Provider | undefined => this.#byIssuer.get(issuer) ?? this.#byIssuer.get('');
}

/** Compiles `JwtRequirement`; providers that are not there are errors. */
export function compileRequirement(proto: JwtRequirement, providers: Providers, errors: ConfigErrors): Requirement {
  return compile(proto, providers, providers.all, errors);
}

/** `lenient`: the providers whose places are looked at where anything, or nothing, is let pass. */
function compile(
  { requiresType: type }: JwtRequirement,
  providers: Providers,
  lenient: readonly Provider[],
  errors: ConfigErrors,
  amongOthers = false,
): Requirement {
  switch (type.case) {
    case 'providerName':
      return byProvider(type.value, undefined, providers, errors.at('provider_name'));
    case 'providerAndAudiences': {
      const { providerName, audiences } = type.value;
      const own = audiences.length > 0 ? new Audiences(audiences) : undefined;
      return byProvider(providerName, own, providers, errors.at('provider_and_audiences').at('provider_name'));
    }
    case 'requiresAll': {
      const at = errors.at('requires_all').at('requirements');
      return all(type.value.requirements.map((r, i) => compile(r, providers, providers.all, at.at(i))));
    }
    case 'requiresAny':
      return compileAny(type.value.requirements, providers, errors.at('requires_any').at('requirements'));
    case 'allowMissing':
      return byLocations(lenient, { ...rulesOf(providers), allowMissing: true, amongOthers });
    case 'allowMissingOrFailed':
      return byLocations(lenient, { ...rulesOf(providers), allowFailed: true, allowMissing: true });
    default:
      return (_context, done) => done(JwtStatus.Ok);
  }
}

function rulesOf({ all, byIssuer }: Providers): VerificationRules {
  const only = all.length === 1 ? all[0] : undefined;
  return {
    provider: undefined,
    byIssuer,
    only,
    audiences: undefined,
    allowFailed: false,
    allowMissing: false,
    amongOthers: false,
  };
}

function byProvider(
  name: string,
  audiences: Audiences | undefined,
  providers: Providers,
  errors: ConfigErrors,
): Requirement {
  const provider = providers.byName(name);
  if (provider === undefined) {
    errors.add('', `Required provider ['${name}'] is not configured.`);
    return (_context, done) => done(JwtStatus.UnknownIssuer);
  }
  return byLocations([provider], { ...rulesOf(providers), provider, audiences });
}

function byLocations(providers: readonly Provider[], rules: VerificationRules): Requirement {
  const locations = new TokenLocations(providers.map((p) => p.proto));
  return (context, done) => {
    locations.sanitize(context.headers);
    verifyTokens(locations.find(context.headers), rules, context, done);
  };
}

function compileAny(protos: readonly JwtRequirement[], providers: Providers, errors: ConfigErrors): Requirement {
  const used = new Set<string>();
  // Of the requirements that let something pass, the most lenient one counts, and it comes last.
  let lenient: { readonly proto: JwtRequirement; readonly index: number } | undefined;
  const strict: Requirement[] = [];
  protos.forEach((proto, index) => {
    const { requiresType: type } = proto;
    if (type.case === 'allowMissing' || type.case === 'allowMissingOrFailed') {
      if (lenient?.proto.requiresType.case !== 'allowMissingOrFailed') lenient = { proto, index };
      return;
    }
    if (type.case === 'providerName') used.add(type.value);
    if (type.case === 'providerAndAudiences') used.add(type.value.providerName);
    strict.push(compile(proto, providers, providers.all, errors.at(index)));
  });
  if (lenient === undefined) return any(strict);
  const named = providers.all.filter((p) => used.has(p.name));
  const { proto, index } = lenient;
  return any([...strict, compile(proto, providers, named.length > 0 ? named : providers.all, errors.at(index), true)]);
}

/** How much a failure says: that there was no token, or none for the provider, is no news where others are allowed. */
function weight(status: JwtStatus): number {
  if (status === JwtStatus.Missed) return 0;
  return status === JwtStatus.UnknownIssuer ? 1 : 2;
}

function any(requirements: readonly Requirement[]): Requirement {
  return (context, done) => {
    let left = requirements.length;
    let worst: JwtStatus = JwtStatus.Missed;
    let over = false;
    const finish = (status: JwtStatus) => {
      over = true;
      done(status);
    };
    for (const requirement of requirements) {
      if (over) return;
      requirement(context, (status) => {
        if (over) return;
        if (status !== JwtStatus.Ok && weight(status) >= weight(worst)) worst = status;
        if (status === JwtStatus.Ok) finish(status);
        else if (--left === 0) finish(worst);
      });
    }
  };
}

function all(requirements: readonly Requirement[]): Requirement {
  return (context, done) => {
    let left = requirements.length;
    let over = false;
    for (const requirement of requirements) {
      if (over) return;
      requirement(context, (status) => {
        if (over) return;
        if (--left > 0 && status === JwtStatus.Ok) return;
        over = true;
        done(status);
      });
    }
  };
}
