import { isServedByMesh } from '../../config/ingress-class.ts';
import type { Adapter } from '../adapter.ts';
import { gatewayOf } from './gateway.ts';
import { virtualServicesOf } from './virtual-service.ts';

/**
 * Kubernetes' Ingress, as Istio 1.31 takes it: each becomes a Gateway of the mesh's ingress gateway, and each host a
 * VirtualService. Which of them are Istio's to serve follows from their class and from `ingressControllerMode`.
 */
export const ingressAdapter: Adapter = {
  inputs(config, mesh) {
    const all = config.list('Ingress');
    return all.length === 0
      ? []
      : [mesh, ...all, null, ...config.list('IngressClass'), null, ...config.list('Service')];
  },
  make(config, mesh, warn) {
    const ours = config.list('Ingress').filter((ingress) => isServedByMesh(ingress, config, mesh));
    return [...ours.map((ingress) => gatewayOf(ingress, mesh, warn)), ...virtualServicesOf(ours, config, mesh, warn)];
  },
};
