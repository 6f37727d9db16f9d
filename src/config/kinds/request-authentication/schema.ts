import { array, boolean, duration, type Infer, object, string } from '../../schema/index.ts';
import { targetReference, workloadSelector } from '../shared/selector.ts';

const jwtRule = object(
  {
    issuer: string(),
    audiences: array(string()),
    jwksUri: string(),
    jwks: string(),
    fromHeaders: array(object({ name: string(), prefix: string() })),
    fromParams: array(string()),
    fromCookies: array(string()),
    outputPayloadToHeader: string(),
    outputClaimToHeaders: array(object({ header: string(), claim: string() })),
    forwardOriginalToken: boolean(),
    timeout: duration(),
    spaceDelimitedClaims: array(string()),
  },
  { aliases: { jwks_uri: 'jwksUri' } },
);
export type JwtRule = Infer<typeof jwtRule>;

export const requestAuthenticationSchema = object({
  selector: workloadSelector,
  targetRef: targetReference,
  targetRefs: array(targetReference),
  jwtRules: array(jwtRule),
});
export type RequestAuthenticationSpec = Infer<typeof requestAuthenticationSchema>;
