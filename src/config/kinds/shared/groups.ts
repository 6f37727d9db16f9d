/** The API group of Gateway API. */
export const KUBERNETES_GATEWAY_GROUP = 'gateway.networking.k8s.io';
