import fs from 'node:fs';
import path from 'node:path';
import { lines, MissingObject, type PodFacts } from './environment.ts';
import { HOSTS_FILE, hostsText } from './hosts-file.ts';
import type { PodFolder } from './pod-folder.ts';
import type { PodSurroundings } from './pod-surroundings.ts';
import { type TokenRequest, volumeContent } from './volumes.ts';

type Sources = Pick<PodSurroundings, 'values' | 'rootCertificate' | 'tokens' | 'domain' | 'outside' | 'outsideHosts'>;

const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
const TOKEN_SECONDS = 12 * 3600;
/** Kubernetes gives no token for less. */
const MIN_TOKEN_SECONDS = 600;

/**
 * Writes what a pod finds mounted: its labels and annotations, the mesh's root, its tokens, its volumes. Files that are
 * as they should be stay untouched. Resolves with the life in seconds of the token that ends first. Throws
 * MissingObject for a volume whose object is not there.
 */
export async function writePodFiles(folder: PodFolder, facts: PodFacts, around: Sources): Promise<number> {
  const { spec, namespace, labels, annotations } = facts.pod;
  const { values, rootCertificate } = around;
  const text = (value: string) => Buffer.from(value);
  writeHosts(folder.resolve(HOSTS_FILE), hostsText(around.outside.address, around.outsideHosts()));
  folder.write(
    '/etc/istio/pod',
    new Map([
      ['labels', text(lines(labels))],
      ['annotations', text(lines(annotations))],
    ]),
  );
  const root = folder.resolve('/var/run/secrets/istio/root-cert.pem');
  link(root, rootCertificate);
  // Lists of revoked certificates that are plugged in beside it, as the ConfigMap istio-ca-crl has them.
  const crl = folder.resolve('/var/run/secrets/istio/crl/ca-crl.pem');
  link(crl, path.join(path.dirname(rootCertificate), 'ca-crl.pem'));
  const expiries: number[] = [];
  const token = async (request: TokenRequest) => {
    expiries.push(request.expirationSeconds);
    return text(await issueToken(request, facts, around));
  };
  const istio = await token({ path: 'istio-token', audience: 'istio-ca', expirationSeconds: TOKEN_SECONDS });
  folder.write('/var/run/secrets/tokens', new Map([['istio-token', istio]]));
  if (spec.automountServiceAccountToken !== false) {
    const own = await token({ path: 'token', audience: '', expirationSeconds: TOKEN_SECONDS });
    folder.write(
      SERVICE_ACCOUNT_FOLDER,
      new Map([
        ['token', own],
        ['namespace', text(namespace)],
        ['ca.crt', fs.readFileSync(rootCertificate)],
      ]),
    );
  }
  const volumes = new Map<string, string>();
  for (const volume of spec.volumes ?? []) {
    const content = volumeContent(volume, facts, values);
    const files = new Map(content.kind === 'files' ? content.files : []);
    if (content.kind === 'files') for (const t of content.tokens) files.set(t.path, await token(t));
    volumes.set(volume.name, folder.fill(volume.name, content, files));
  }
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    for (const mount of container.volumeMounts ?? []) {
      const volume = volumes.get(mount.name);
      if (volume === undefined)
        throw new MissingObject(`volumeMounts names "${mount.name}", which is no volume of the pod`);
      folder.mount(mount, volume);
    }
  }
  return Math.min(...expiries);
}

/** Makes a link, whether or not there is anything yet where it leads. */
function link(file: string, target: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  if (!fs.lstatSync(file, { throwIfNoEntry: false })) fs.symlinkSync(target, file);
}

/** Replaced as a whole: names are looked up at any time. */
function writeHosts(file: string, content: string): void {
  if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === content) return;
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  fs.writeFileSync(`${file}.new`, content, { mode: 0o600 });
  fs.renameSync(`${file}.new`, file);
}

function issueToken(
  { audience, expirationSeconds }: TokenRequest,
  { pod, uid, serviceAccount }: PodFacts,
  { tokens, domain }: Sources,
): Promise<string> {
  return tokens.issue({
    namespace: pod.namespace,
    serviceAccount,
    pod: { name: pod.name, uid },
    ttlMs: Math.max(MIN_TOKEN_SECONDS, expirationSeconds) * 1000,
    audiences: audience === '' ? [`https://kubernetes.default.svc.${domain}`] : [audience],
  });
}
