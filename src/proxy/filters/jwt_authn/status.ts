/**
 * How the check of a token ended, by the names, numbers and texts of jwt_verify_lib, which Envoy's answers and metadata
 * show to people.
 */
export interface JwtStatus {
  readonly code: number;
  readonly text: string;
}

const status = (code: number, text: string): JwtStatus => ({ code, text });

export const JwtStatus = {
  Ok: status(0, 'OK'),
  Missed: status(1, 'Jwt is missing'),
  NotYetValid: status(2, 'Jwt not yet valid'),
  Expired: status(3, 'Jwt is expired'),
  BadFormat: status(4, 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'),
  HeaderBadBase64: status(5, 'Jwt header is an invalid Base64url encoded'),
  HeaderBadJson: status(6, 'Jwt header is an invalid JSON'),
  HeaderBadAlg: status(7, 'Jwt header [alg] field is required and must be a string'),
  HeaderNotImplementedAlg: status(8, 'Jwt header [alg] is not supported'),
  HeaderBadKid: status(9, 'Jwt header [kid] field is not a string'),
  PayloadBadBase64: status(10, 'Jwt payload is an invalid Base64url encoded'),
  PayloadBadJson: status(11, 'Jwt payload is an invalid JSON'),
  IssNotString: status(12, 'Jwt payload [iss] field is not a string'),
  SubNotString: status(13, 'Jwt payload [sub] field is not a string'),
  IatNotInteger: status(14, 'Jwt payload [iat] field is not an integer'),
  IatOutOfRange: status(15, 'Jwt payload [iat] field is not a positive 64 bit integer'),
  NbfNotInteger: status(16, 'Jwt payload [nbf] field is not an integer'),
  NbfOutOfRange: status(17, 'Jwt payload [nbf] field is not a positive 64 bit integer'),
  ExpNotInteger: status(18, 'Jwt payload [exp] field is not an integer'),
  ExpOutOfRange: status(19, 'Jwt payload [exp] field is not a positive 64 bit integer'),
  JtiNotString: status(20, 'Jwt payload [jti] field is not a string'),
  AudNotString: status(21, 'Jwt payload [aud] field is not a string or string list'),
  SignatureBadBase64: status(22, 'Jwt signature is an invalid Base64url encoded'),
  Ed25519SignatureWrongLength: status(23, 'Jwt ED25519 signature is wrong length'),
  UnknownIssuer: status(24, 'Jwt issuer is not configured'),
  AudienceNotAllowed: status(25, 'Audiences in Jwt are not allowed'),
  VerificationFail: status(26, 'Jwt verification fails'),
  MultipleTokens: status(27, 'Found multiple Jwt tokens'),
  JwksNoValidKeys: status(31, "Jwks doesn't have any valid public key"),
  JwksKidAlgMismatch: status(32, "Jwks doesn't have key to match kid or alg from Jwt"),
  JwksFetchFail: status(45, 'Jwks remote fetch is failed'),
} as const;
