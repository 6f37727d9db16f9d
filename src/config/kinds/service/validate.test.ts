import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

function said(text: string): string[] {
  return checkSources([{ name: 'f.yaml', text }])[0]!.errors.map((m) => m.field ?? '');
}

describe('what Kubernetes refuses', () => {
  const service = (spec: string): string => `{apiVersion: v1, kind: Service, metadata: {name: a}, spec: ${spec}}`;
  const controller = (apiVersion: string, spec: string): string =>
    `{apiVersion: ${apiVersion}, kind: Deployment, metadata: {name: a}, spec: ${spec}}`;
  const ingress = (apiVersion: string, spec: string): string =>
    `{apiVersion: ${apiVersion}, kind: Ingress, metadata: {name: a}, spec: ${spec}}`;
  const template = 'template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: i}]}}';
  const table: readonly (readonly [string, ...string[]])[] = [
    [service('{ports: [{port: 80}]}')],
    [service('{clusterIP: None}')],
    [service('{}'), 'spec.ports'],
    [
      service('{ports: [{port: 80}, {port: 81, name: b}, {port: 81, name: b}, {port: 82, name: A_}]}'),
      'spec.ports[0].name',
      'spec.ports[2].name',
      'spec.ports[2].port',
      'spec.ports[3].name',
    ],
    [service('{ports: [{port: 53, name: a, protocol: UDP}, {port: 53, name: b}]}')],
    [service('{type: ExternalName}'), 'spec.externalName'],
    [service('{type: ExternalName, externalName: a.b}')],
    [service('{clusterIP: a, ports: [{port: 80, targetPort: http}]}'), 'spec.clusterIP'],
    [controller('apps/v1', `{selector: {matchLabels: {app: a}}, ${template}}`)],
    [controller('apps/v1', `{${template}}`), 'spec.selector'],
    [controller('extensions/v1beta1', `{${template}}`)],
    [controller('apps/v1', `{selector: {matchLabels: {app: b}}, ${template}}`), 'spec.selector'],
    [controller('apps/v1', '{selector: {}}'), 'spec.template'],
    [
      ingress(
        'networking.k8s.io/v1',
        '{rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]}',
      ),
    ],
    [
      ingress('networking.k8s.io/v1', '{backend: {serviceName: a, servicePort: 80}}'),
      'spec.backend',
      'spec.backend',
      'spec.backend.serviceName',
      'spec.backend.servicePort',
    ],
    [ingress('extensions/v1beta1', '{backend: {serviceName: a, servicePort: http}}')],
    [
      ingress('extensions/v1beta1', '{rules: [{http: {paths: [{backend: {service: {name: a}}}]}}]}'),
      'spec.rules[0].http.paths[0].backend.service',
      'spec.rules[0].http.paths[0].backend.serviceName',
    ],
  ];
  for (const [text, ...fields] of table) {
    test(`${text.slice(0, 140)} -> ${fields.join(' ') || 'accepted'}`, () =>
      assert.deepEqual(said(text).sort(), fields.sort()));
  }
});

test('a Deployment from the wild passes without a word', () => {
  const text = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations: {deployment.kubernetes.io/revision: "3"}
spec:
  replicas: 2
  revisionHistoryLimit: 3
  progressDeadlineSeconds: 600
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 0}}
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      creationTimestamp: null
      labels: {app: web}
    spec:
      serviceAccountName: web
      priorityClassName: high
      nodeSelector: {kubernetes.io/os: linux}
      tolerations: [{key: a, operator: Exists, effect: NoSchedule}]
      affinity: {podAntiAffinity: {}}
      topologySpreadConstraints: []
      dnsPolicy: ClusterFirst
      imagePullSecrets: [{name: registry}]
      securityContext: {fsGroup: 1000, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      terminationGracePeriodSeconds: 30
      initContainers:
      - {name: init, image: busybox, command: [sh, -c, "true"], restartPolicy: Always}
      containers:
      - name: web
        image: web:1
        imagePullPolicy: IfNotPresent
        args: ["--port=8080"]
        ports: [{name: http, containerPort: 8080, protocol: TCP}]
        env:
        - {name: A, value: "1"}
        - {name: B, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}
        - {name: C, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}
        - {name: D, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
        envFrom: [{configMapRef: {name: c}}, {prefix: X_, secretRef: {name: s}}]
        resources: {limits: {cpu: 500m, memory: 1Gi}, requests: {cpu: 100m}}
        readinessProbe: {httpGet: {path: /, port: http, scheme: HTTP}, periodSeconds: 5}
        livenessProbe: {grpc: {port: 8080}}
        startupProbe: {exec: {command: [ls]}}
        lifecycle: {preStop: {sleep: {seconds: 5}}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true}
        volumeMounts: [{name: config, mountPath: /etc/web, readOnly: true}, {name: data, mountPath: /data, subPath: x}]
        terminationMessagePath: /dev/termination-log
        tty: true
      volumes:
      - {name: config, configMap: {name: c, defaultMode: 0644, items: [{key: a, path: b}]}}
      - {name: data, persistentVolumeClaim: {claimName: d}}
      - {name: token, projected: {sources: [{serviceAccountToken: {path: t, audience: istio-ca, expirationSeconds: 43200}}, {downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}]}}
      - {name: tmp, emptyDir: {medium: Memory, sizeLimit: 1Gi}}
status: {replicas: 2}
`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  assert.deepEqual([...file!.errors, ...file!.warnings], []);
});
