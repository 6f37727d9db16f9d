import path from 'node:path';
import { ControlClient } from '../../src/config/control/client.ts';
import { formatMessage } from '../../src/config/message.ts';
import { type Measurement, type Pair, pairsOf, readCounters, since } from '../../src/explain/mutual-tls/pairs.ts';
import { meshRecord, ROOT, type TestedMesh } from './local-mesh.ts';

/** The configuration with which Istio's documentation takes bookinfo through its tasks, by the names it has there. */

export const BOOKINFO = path.join(ROOT, 'examples/bookinfo');

/** A DestinationRule with a subset a version, and a further field. */
export const destinationRule = (host: string, versions: readonly string[], more = '') => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: ${host}
spec:
  host: ${host}${more === '' ? '' : `\n  ${more}`}
  subsets:
${versions.map((version) => `  - name: ${version}\n    labels:\n      version: ${version}`).join('\n')}
---`;

/** `destination-rule-all.yaml` */
export const DESTINATION_RULE_ALL = [
  destinationRule('productpage', ['v1']),
  destinationRule('reviews', ['v1', 'v2', 'v3']),
  destinationRule('ratings', ['v1', 'v2', 'v2-mysql', 'v2-mysql-vm']),
  destinationRule('details', ['v1', 'v2']),
].join('');

/** A VirtualService of one service. `http` is its list of routes, indented by two. */
export const virtualService = (host: string, http: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: ${host}
spec:
  hosts:
  - ${host}
  http:
${http}
---`;

const to = (host: string, subset: string) => `route:
    - destination:
        host: ${host}
        subset: ${subset}`;

/** Everything to one version; `more` are further fields of the route, each on a line of its own. */
export const allTo = (host: string, subset: string, more = '') =>
  virtualService(host, `  - ${to(host, subset)}${more === '' ? '' : `\n    ${more.replaceAll('\n', '\n    ')}`}`);

/** `virtual-service-all-v1.yaml` */
export const VIRTUAL_SERVICE_ALL_V1 = ['productpage', 'reviews', 'ratings', 'details']
  .map((host) => allTo(host, 'v1'))
  .join('');

const JASON = `match:
    - headers:
        end-user:
          exact: jason`;

/** `virtual-service-reviews-test-v2.yaml` */
export const REVIEWS_TEST_V2 = virtualService(
  'reviews',
  `  - ${JASON}\n    ${to('reviews', 'v2')}\n  - ${to('reviews', 'v1')}`,
);

/** `virtual-service-ratings-test-delay.yaml` */
export const ratingsTestDelay = (fixedDelay: string) =>
  virtualService(
    'ratings',
    `  - ${JASON}
    fault:
      delay:
        percentage:
          value: 100.0
        fixedDelay: ${fixedDelay}
    ${to('ratings', 'v1')}
  - ${to('ratings', 'v1')}`,
  );

/** `virtual-service-ratings-test-abort.yaml` */
export const RATINGS_TEST_ABORT = virtualService(
  'ratings',
  `  - ${JASON}
    fault:
      abort:
        percentage:
          value: 100.0
        httpStatus: 500
    ${to('ratings', 'v1')}
  - ${to('ratings', 'v1')}`,
);

/** `virtual-service-reviews-50-v3.yaml`, `-80-20.yaml`, `-90-10.yaml`: shares of versions in percent. */
export const reviewsSplit = (weights: Readonly<Record<string, number>>) =>
  virtualService(
    'reviews',
    `  - route:${Object.entries(weights)
      .map(
        ([subset, weight]) =>
          `\n    - destination:\n        host: reviews\n        subset: ${subset}\n      weight: ${weight}`,
      )
      .join('')}`,
  );

/** `bookinfo-gateway.yaml`, which has named the port 80 at times, and 8080 at others. */
export const bookinfoGateway = (port: number) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: bookinfo-gateway
spec:
  selector:
    istio: ingressgateway
  servers:
  - port:
      number: ${port}
      name: http
      protocol: HTTP
    hosts:
    - "*"
---`;

export const authorizationPolicy = (name: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: ${name}
spec:
  ${spec}
---`;

/** `productpage-viewer` and the like: an app may be asked with GET, by one account if that is given. */
export const viewer = (app: string, caller?: string) =>
  authorizationPolicy(
    `${app}-viewer`,
    `selector:
    matchLabels:
      app: ${app}
  action: ALLOW
  rules:
  - to:
    - operation:
        methods: ["GET"]${
          caller === undefined
            ? ''
            : `
    from:
    - source:
        principals: ["cluster.local/ns/bookinfo/sa/${caller}"]`
        }`,
  );

/** `bookinfo-gateway.yaml` with HTTPS as well, by the certificate of a secret. */
export const secureGateway = (credentialName: string) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: bookinfo-gateway
spec:
  selector:
    istio: ingressgateway
  servers:
  - port:
      number: 80
      name: http
      protocol: HTTP
    hosts:
    - "*"
  - port:
      number: 443
      name: https
      protocol: HTTPS
    tls:
      mode: SIMPLE
      credentialName: ${credentialName}
    hosts:
    - "*"
---`;

const ANSWER_MS = 30_000;

/** What `isthmus apply --wait -n bookinfo` does: objects of bookinfo are in force, or it fails. */
export async function apply(mesh: TestedMesh, ...yaml: string[]): Promise<void> {
  const answer = await new ControlClient(meshRecord(mesh).controlSocket).apply({
    sources: [{ name: 'task.yaml', text: yaml.join('\n') }],
    namespace: 'bookinfo',
    waitMs: ANSWER_MS,
  });
  const errors = [...answer.problems, ...answer.results.flatMap((result) => result.errors)];
  if (errors.length > 0) throw new Error(errors.map(formatMessage).join('\n'));
  if (!answer.convergence?.converged) throw new Error(`not in force: ${JSON.stringify(answer.convergence)}`);
}

/** Takes objects away, named as `KIND/NAMESPACE/NAME`. */
export async function remove(mesh: TestedMesh, ...keys: string[]): Promise<void> {
  const { results, convergence } = await new ControlClient(meshRecord(mesh).controlSocket).delete({
    keys,
    waitMs: ANSWER_MS,
  });
  if (!convergence?.converged) throw new Error(`not gone: ${JSON.stringify([results, convergence])}`);
}

/** A page as a person sees it. */
export interface Page {
  readonly status: number;
  readonly body: string;
  readonly seconds: number;
  /** Version of the reviews, such as `v2`; undefined where there are none. */
  readonly reviews: string | undefined;
  /** `black` or `red`; undefined without stars. */
  readonly stars: string | undefined;
}

/** A person with a browser: what is behind the gateway. */
export class Visitor {
  readonly #mesh: TestedMesh;
  #cookie = '';

  constructor(mesh: TestedMesh) {
    this.#mesh = mesh;
  }

  async login(username: string): Promise<void> {
    const body = new URLSearchParams({ username, passwd: 'any' });
    const answer = await fetch(this.#url('/login'), { method: 'POST', body, redirect: 'manual' });
    this.#cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? '';
    if (answer.status !== 302 || this.#cookie === '') throw new Error(`login: ${answer.status}`);
  }

  async page(): Promise<Page> {
    const start = performance.now();
    const answer = await this.get('/productpage');
    const body = await answer.text();
    return {
      status: answer.status,
      body,
      seconds: (performance.now() - start) / 1000,
      reviews: /reviews-(v\d)-/.exec(body)?.[1],
      stars: /class="stars (\w+)"/.exec(body)?.[1],
    };
  }

  async pages(count: number): Promise<Page[]> {
    const pages: Page[] = [];
    for (let i = 0; i < count; i++) pages.push(await this.page());
    return pages;
  }

  /** Asks for reviews, several at a time; how many answers are of which version. */
  async reviews(count: number): Promise<Map<string, number>> {
    const answers = new Map<string, number>();
    let left = count;
    const ask = async () => {
      while (left-- > 0) {
        const answer = await this.get('/api/v1/products/0/reviews');
        const version = /reviews-(v\d)/.exec(await answer.text())?.[1] ?? `status ${answer.status}`;
        answers.set(version, (answers.get(version) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 8 }, ask));
    return answers;
  }

  get(url: string): Promise<Response> {
    return fetch(this.#url(url), { headers: { cookie: this.#cookie }, signal: AbortSignal.timeout(30_000) });
  }

  #url(url: string): string {
    return `http://${this.#mesh.gateway(80)}${url}`;
  }
}

/** Requests between workloads, as the proxies of a mesh count them. */
export class Counted {
  readonly #mesh: TestedMesh;
  #before: Measurement = new Map();

  private constructor(mesh: TestedMesh) {
    this.#mesh = mesh;
  }

  /** Counts from now on. */
  static async from(mesh: TestedMesh): Promise<Counted> {
    const counted = new Counted(mesh);
    counted.#before = await counted.#measure();
    return counted;
  }

  async pairs(): Promise<Pair[]> {
    return pairsOf(since(this.#before, await this.#measure()));
  }

  /** Requests that have come to a workload, such as `reviews-v2`; by what its own proxy says. */
  async to(workload: string): Promise<number> {
    const pairs = await this.pairs();
    return pairs.reduce((sum, { destination, count }) => sum + (destination.workload === workload ? count : 0), 0);
  }

  /** Requests that a workload has sent and that have ended with a response flag, by what its own proxy says. */
  async flagged(workload: string, flag: string): Promise<number> {
    const samples = [...since(this.#before, await this.#measure()).values()].flat();
    return samples
      .filter(
        ({ labels }) =>
          labels.get('reporter') === 'source' &&
          labels.get('source_workload') === workload &&
          labels.get('response_flags')!.split(',').includes(flag),
      )
      .reduce((sum, { value }) => sum + value, 0);
  }

  async #measure(): Promise<Measurement> {
    const { proxies } = await new ControlClient(meshRecord(this.#mesh).controlSocket).proxies();
    const all = proxies.map(async ({ id, admin }) => {
      const answer = await fetch(`http://${admin}/stats/prometheus`);
      return [id, readCounters(await answer.text())] as const;
    });
    return new Map(await Promise.all(all));
  }
}
