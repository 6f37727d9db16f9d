import { array, boolean, enumOf, type Infer, object, required, string, uint32 } from '../../schema/index.ts';

const stringMatch = object({ exact: string(), prefix: string(), suffix: string(), regex: string() });
export type PathMatch = Infer<typeof stringMatch>;

const triggerRule = object(
  { excludedPaths: array(stringMatch), includedPaths: array(stringMatch) },
  { aliases: { excluded_paths: 'excludedPaths', included_paths: 'includedPaths' } },
);
export type TriggerRule = Infer<typeof triggerRule>;

const jwt = object(
  {
    issuer: string(),
    audiences: array(string()),
    jwksUri: string(),
    jwks: string(),
    jwtHeaders: array(string()),
    jwtParams: array(string()),
    triggerRules: array(triggerRule),
  },
  {
    aliases: {
      jwks_uri: 'jwksUri',
      jwt_headers: 'jwtHeaders',
      jwt_params: 'jwtParams',
      trigger_rules: 'triggerRules',
    },
  },
);
export type LegacyJwt = Infer<typeof jwt>;

const mutualTls = object(
  { mode: enumOf('STRICT', 'PERMISSIVE'), allowTls: boolean() },
  { aliases: { allow_tls: 'allowTls' } },
);

const peerMethod = object({ mtls: mutualTls, jwt });
export type PeerMethod = Infer<typeof peerMethod>;

const target = object({ name: required(string()), ports: array(object({ number: uint32(), name: string() })) });
export type PolicyTarget = Infer<typeof target>;

/**
 * authentication.istio.io/v1alpha1 Policy, which Istio had until 1.5: how the services of a namespace authenticate whoever
 * connects (`peers`) and whoever asks (`origins`).
 */
export const policySchema = object(
  {
    /** Services by their short names; all of the namespace without any. */
    targets: array(target),
    peers: array(peerMethod),
    peerIsOptional: boolean(),
    origins: array(object({ jwt })),
    originIsOptional: boolean(),
    principalBinding: enumOf('USE_PEER', 'USE_ORIGIN'),
  },
  {
    aliases: {
      peer_is_optional: 'peerIsOptional',
      origin_is_optional: 'originIsOptional',
      principal_binding: 'principalBinding',
    },
  },
);
export type PolicySpec = Infer<typeof policySchema>;
