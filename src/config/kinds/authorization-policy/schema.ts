import { array, enumOf, type Infer, object, required, string } from '../../schema/index.ts';
import { providerReference, targetReference, workloadSelector } from '../shared/selector.ts';

const source = object({
  principals: array(string()),
  notPrincipals: array(string()),
  requestPrincipals: array(string()),
  notRequestPrincipals: array(string()),
  namespaces: array(string()),
  notNamespaces: array(string()),
  serviceAccounts: array(string()),
  notServiceAccounts: array(string()),
  ipBlocks: array(string()),
  notIpBlocks: array(string()),
  remoteIpBlocks: array(string()),
  notRemoteIpBlocks: array(string()),
  trustDomains: array(string()),
  notTrustDomains: array(string()),
});
export type Source = Infer<typeof source>;

const operation = object({
  hosts: array(string()),
  notHosts: array(string()),
  ports: array(string()),
  notPorts: array(string()),
  methods: array(string()),
  notMethods: array(string()),
  paths: array(string()),
  notPaths: array(string()),
});
export type Operation = Infer<typeof operation>;

const condition = object({ key: required(string()), values: array(string()), notValues: array(string()) });
export type Condition = Infer<typeof condition>;

const rule = object({
  from: array(object({ source })),
  to: array(object({ operation })),
  when: array(condition),
});
export type Rule = Infer<typeof rule>;
export const authorizationRules = array(rule);

export const authorizationPolicySchema = object({
  selector: workloadSelector,
  targetRef: targetReference,
  targetRefs: array(targetReference),
  rules: authorizationRules,
  action: enumOf('ALLOW', 'DENY', 'AUDIT', 'CUSTOM'),
  provider: providerReference,
});
export type AuthorizationPolicySpec = Infer<typeof authorizationPolicySchema>;
