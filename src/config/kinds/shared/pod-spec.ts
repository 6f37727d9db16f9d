import {
  any,
  array,
  boolean,
  enumOf,
  type Infer,
  int32,
  int64,
  integer,
  intOrString,
  map,
  object,
  required,
  string,
} from '../../schema/index.ts';

/** Fields of Kubernetes' API that exist but mean nothing to a mesh are read with `any()`: known, and not looked into. */
const notUsed = any();

const objectFieldRef = object({ apiVersion: string(), fieldPath: required(string()) });
const keyRef = object({ name: string(), key: required(string()), optional: boolean() });
const objectRef = object({ name: string(), optional: boolean() });

const environmentVariable = object({
  name: required(string()),
  value: string(),
  valueFrom: object({
    fieldRef: objectFieldRef,
    configMapKeyRef: keyRef,
    secretKeyRef: keyRef,
    resourceFieldRef: notUsed,
    fileKeyRef: notUsed,
  }),
});
export type EnvironmentVariable = Infer<typeof environmentVariable>;
export const environmentVariables = array(environmentVariable);

const httpGet = object({
  path: string(),
  port: required(intOrString()),
  host: string(),
  scheme: enumOf('HTTP', 'HTTPS'),
  httpHeaders: array(object({ name: required(string()), value: string() })),
});

const probe = object({
  httpGet,
  tcpSocket: object({ port: required(intOrString()), host: string() }),
  exec: object({ command: array(string()) }),
  grpc: object({ port: required(int32()), service: string() }),
  initialDelaySeconds: int32(),
  timeoutSeconds: int32(),
  periodSeconds: int32(),
  successThreshold: int32(),
  failureThreshold: int32(),
  terminationGracePeriodSeconds: int64(),
});
export type Probe = Infer<typeof probe>;

const lifecycleHandler = object({
  exec: object({ command: array(string()) }),
  httpGet,
  tcpSocket: notUsed,
  sleep: object({ seconds: int64() }),
});

const containerPort = object({
  name: string(),
  containerPort: required(integer(1, 65535)),
  hostPort: integer(0, 65535),
  hostIP: string(),
  protocol: enumOf('TCP', 'UDP', 'SCTP'),
});
export type ContainerPort = Infer<typeof containerPort>;

const securityContext = object({
  runAsUser: int64(),
  runAsGroup: int64(),
  runAsNonRoot: boolean(),
  privileged: boolean(),
  allowPrivilegeEscalation: notUsed,
  appArmorProfile: notUsed,
  capabilities: notUsed,
  procMount: notUsed,
  readOnlyRootFilesystem: notUsed,
  seLinuxOptions: notUsed,
  seccompProfile: notUsed,
  windowsOptions: notUsed,
});

const volumeMount = object({
  name: required(string()),
  mountPath: required(string()),
  subPath: string(),
  subPathExpr: string(),
  readOnly: boolean(),
  recursiveReadOnly: notUsed,
  mountPropagation: notUsed,
});
export type VolumeMount = Infer<typeof volumeMount>;

const container = object({
  name: required(string()),
  image: string(),
  command: array(string()),
  args: array(string()),
  workingDir: string(),
  env: environmentVariables,
  envFrom: array(object({ prefix: string(), configMapRef: objectRef, secretRef: objectRef })),
  ports: array(containerPort),
  volumeMounts: array(volumeMount),
  livenessProbe: probe,
  readinessProbe: probe,
  startupProbe: probe,
  lifecycle: object({ postStart: lifecycleHandler, preStop: lifecycleHandler, stopSignal: string() }),
  securityContext,
  restartPolicy: string(),
  imagePullPolicy: notUsed,
  resources: notUsed,
  resizePolicy: notUsed,
  restartPolicyRules: notUsed,
  stdin: notUsed,
  stdinOnce: notUsed,
  terminationMessagePath: notUsed,
  terminationMessagePolicy: notUsed,
  tty: notUsed,
  volumeDevices: notUsed,
});
export type Container = Infer<typeof container>;

const keyToPath = array(object({ key: required(string()), path: required(string()), mode: int32() }));

const downwardItems = array(
  object({ path: required(string()), fieldRef: objectFieldRef, resourceFieldRef: notUsed, mode: int32() }),
);

const volume = object({
  name: required(string()),
  secret: object({ secretName: string(), items: keyToPath, defaultMode: int32(), optional: boolean() }),
  configMap: object({ name: string(), items: keyToPath, defaultMode: int32(), optional: boolean() }),
  emptyDir: object({ medium: string(), sizeLimit: notUsed }),
  hostPath: object({ path: required(string()), type: string() }),
  downwardAPI: object({ items: downwardItems, defaultMode: int32() }),
  projected: object({
    defaultMode: int32(),
    sources: array(
      object({
        secret: object({ name: string(), items: keyToPath, optional: boolean() }),
        configMap: object({ name: string(), items: keyToPath, optional: boolean() }),
        serviceAccountToken: object({ path: required(string()), audience: string(), expirationSeconds: int64() }),
        downwardAPI: object({ items: downwardItems }),
        clusterTrustBundle: notUsed,
        podCertificate: notUsed,
      }),
    ),
  }),
  awsElasticBlockStore: notUsed,
  azureDisk: notUsed,
  azureFile: notUsed,
  cephfs: notUsed,
  cinder: notUsed,
  csi: notUsed,
  ephemeral: notUsed,
  fc: notUsed,
  flexVolume: notUsed,
  flocker: notUsed,
  gcePersistentDisk: notUsed,
  gitRepo: notUsed,
  glusterfs: notUsed,
  image: notUsed,
  iscsi: notUsed,
  nfs: notUsed,
  persistentVolumeClaim: notUsed,
  photonPersistentDisk: notUsed,
  portworxVolume: notUsed,
  quobyte: notUsed,
  rbd: notUsed,
  scaleIO: notUsed,
  storageos: notUsed,
  vsphereVolume: notUsed,
});
export type Volume = Infer<typeof volume>;

/** Kubernetes' core/v1 PodSpec. */
export const podSpec = object({
  containers: required(array(container)),
  initContainers: array(container),
  volumes: array(volume),
  serviceAccountName: string(),
  serviceAccount: string(),
  automountServiceAccountToken: boolean(),
  restartPolicy: enumOf('Always', 'OnFailure', 'Never'),
  terminationGracePeriodSeconds: int64(),
  activeDeadlineSeconds: int64(),
  hostNetwork: boolean(),
  hostname: string(),
  subdomain: string(),
  nodeName: string(),
  hostAliases: array(object({ ip: required(string()), hostnames: array(string()) })),
  securityContext: object({
    runAsUser: int64(),
    runAsGroup: int64(),
    runAsNonRoot: boolean(),
    fsGroup: int64(),
    supplementalGroups: array(int64()),
    appArmorProfile: notUsed,
    fsGroupChangePolicy: notUsed,
    seLinuxChangePolicy: notUsed,
    seLinuxOptions: notUsed,
    seccompProfile: notUsed,
    supplementalGroupsPolicy: notUsed,
    sysctls: notUsed,
    windowsOptions: notUsed,
  }),
  affinity: notUsed,
  dnsConfig: notUsed,
  dnsPolicy: notUsed,
  enableServiceLinks: notUsed,
  ephemeralContainers: notUsed,
  hostIPC: notUsed,
  hostPID: notUsed,
  hostUsers: notUsed,
  hostnameOverride: notUsed,
  imagePullSecrets: notUsed,
  nodeSelector: notUsed,
  os: notUsed,
  overhead: notUsed,
  preemptionPolicy: notUsed,
  priority: notUsed,
  priorityClassName: notUsed,
  readinessGates: notUsed,
  resourceClaims: notUsed,
  resources: notUsed,
  runtimeClassName: notUsed,
  schedulerName: notUsed,
  schedulingGates: notUsed,
  setHostnameAsFQDN: notUsed,
  shareProcessNamespace: notUsed,
  tolerations: notUsed,
  topologySpreadConstraints: notUsed,
  workloadRef: notUsed,
});
export type PodSpec = Infer<typeof podSpec>;

/** metadata of a pod template, where name and namespace have no meaning. */
export const templateMetadata = object({
  name: string(),
  generateName: string(),
  namespace: string(),
  labels: map(string()),
  annotations: map(string()),
  creationTimestamp: notUsed,
  finalizers: notUsed,
  ownerReferences: notUsed,
});

export const podTemplate = object({ metadata: templateMetadata, spec: podSpec });
export type PodTemplate = Infer<typeof podTemplate>;
