import { array, type Infer, object, required, string } from '../../schema/index.ts';

const delegation = object({
  secretName: required(string({ minLength: 1 })),
  targetNamespaces: required(array(string({ minLength: 1 }))),
});

/** Which secrets of its namespace GatewayHosts of others may use; `*` stands for every namespace. */
export const tlsCertificateDelegationSchema = object({ delegations: required(array(delegation)) });
export type TlsCertificateDelegationSpec = Infer<typeof tlsCertificateDelegationSchema>;
