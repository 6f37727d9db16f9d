#!/bin/sh
# Goes through the steps of README.md against the running mesh of this folder, with curl and openssl, and says of each
# whether it was as it should be. Ends with 1 if one was not. The mesh is left as it was found.
#
#   ISTHMUS   how isthmus is run; "npx isthmus" unless told
#   ADDRESS   where the gateways are published; 127.0.0.1 unless told
#   SECONDS_TO_WAIT  how long a step may take to become true; 20 unless told
set -u
ISTHMUS=${ISTHMUS:-npx isthmus}
ADDRESS=${ADDRESS:-127.0.0.1}
SECONDS_TO_WAIT=${SECONDS_TO_WAIT:-20}
HTTP=$ADDRESS:8080
HTTPS=$ADDRESS:8443
TCP=$ADDRESS:31400
API=apiserver.istioinaction.io
CATALOG=catalog.istioinaction.io
GATEWAY_POD=deploy/istio-ingressgateway.istio-system
CERTS=$(mktemp -d) || exit 2
failures=0
steps=0

isthmus() { $ISTHMUS "$@"; }
curl() { command curl -sS -m 10 --noproxy '*' "$@"; }
status() { curl -o /dev/null -w '%{http_code}' "$@" 2>/dev/null; }
# The exit code of curl.
failure() { curl -o /dev/null "$@" 2>/dev/null; echo $?; }
https() { curl --resolve "$API:8443:$ADDRESS" --resolve "$CATALOG:8443:$ADDRESS" "$@"; }
pem() { openssl base64 -A -in "$1"; }

# apply WHAT: the objects on standard input.
apply() {
  said=$(isthmus apply --wait -f - 2>&1) || {
    failures=$((failures + 1))
    printf 'FAILED  %s could not be applied:\n%s\n' "$1" "$said"
  }
}

# step NAME PATTERN COMMAND...: what the command prints is to match the pattern (of case) before the time is over.
step() {
  name=$1 pattern=$2
  shift 2
  steps=$((steps + 1))
  deadline=$(($(date +%s) + SECONDS_TO_WAIT))
  while :; do
    found=$("$@" 2>&1)
    # shellcheck disable=SC2254 # the pattern is one
    case $found in
    $pattern)
      printf 'ok      %s\n' "$name"
      return
      ;;
    esac
    [ "$(date +%s)" -ge "$deadline" ] && break
    sleep 1
  done
  failures=$((failures + 1))
  printf 'FAILED  %s\n        wanted: %s\n        found:  %s\n' "$name" "$pattern" "$found"
}

# Everything that the steps make or change.
OBJECTS='gateway/coolstore-gateway virtualservice/apigateway-vs-from-gw gateway/tcp-gateway virtualservice/greeter
  virtualservice/catalog-vs-from-gw ingress/catalog destinationrule/catalog deployment/catalog-v2 deployment/greeter
  service/greeter'
SECRETS='secret/istio-ingressgateway-certs secret/istio-ingressgateway-ca-certs secret/apiserver-cert secret/catalog-cert'

# save NAMESPACE OBJECT...: those that are there.
save() {
  namespace=$1
  shift
  isthmus get -n "$namespace" --ignore-not-found -o yaml "$@" >"$CERTS/$namespace.yaml"
}

# shellcheck disable=SC2086 # the lists are several words
put_back() {
  isthmus delete --ignore-not-found -n default $OBJECTS || return
  isthmus delete --ignore-not-found -n istio-system $SECRETS || return
  for saved in "$CERTS/istio-system.yaml" "$CERTS/default.yaml"; do
    [ ! -s "$saved" ] || isthmus apply --wait -f "$saved" || return
  done
}
restore() {
  trap - EXIT INT TERM
  put_back >"$CERTS/restore.log" 2>&1 || {
    failures=$((failures + 1))
    printf 'FAILED  the mesh could not be left as it was found:\n'
    cat "$CERTS/restore.log"
  }
  rm -rf "$CERTS"
}
finish() {
  restore
  if [ "$failures" -eq 0 ]; then
    echo "all $steps steps are as they should be"
    exit 0
  fi
  echo "$failures of $steps steps are not as they should be"
  exit 1
}

isthmus status --wait --timeout 60s >"$CERTS/status" 2>&1 || {
  echo "there is no mesh that is ready; start it with: npx isthmus up examples/coolstore" >&2
  cat "$CERTS/status" >&2
  rm -rf "$CERTS"
  exit 2
}
# shellcheck disable=SC2086
save default $OBJECTS && save istio-system $SECRETS || exit 2
trap 'failures=$((failures + 1)); finish' INT TERM
trap restore EXIT

# gateway: a Gateway whose servers are on standard input.
gateway() {
  cat <<YAML
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata:
  name: coolstore-gateway
spec:
  selector:
    istio: ingressgateway
  servers:
YAML
  cat
}
HTTP_SERVER="
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [$API]"
# server NAME HOST TLS
server() {
  printf '%s\n' "  - port: {number: 443, name: $1, protocol: HTTPS}" "    hosts: [$2]" "    tls: $3"
}
# secret NAME KEY FILE [KEY FILE]
secret() {
  printf '%s\n' 'apiVersion: v1' 'kind: Secret' "metadata: {name: $1, namespace: istio-system}" 'data:'
  shift
  while [ $# -gt 0 ]; do
    printf '  %s: %s\n' "$1" "$(pem "$2")"
    shift 2
  done
  echo ---
}

isthmus delete --wait gateway/coolstore-gateway virtualservice/apigateway-vs-from-gw >/dev/null 2>&1
step 'no Gateway: no listener but the proxy'"'"'s own' '*15021*15090*' isthmus proxy-config listener $GATEWAY_POD
step 'no Gateway: nobody gets in' 7 failure "http://$HTTP/"

gateway <<YAML | apply 'the Gateway'
$HTTP_SERVER
YAML
step 'Gateway: a listener for HTTP' '*8080*Route: http.8080*' isthmus proxy-config listener $GATEWAY_POD
step 'Gateway: a blackhole' '*blackhole:80*404*' isthmus proxy-config route $GATEWAY_POD --name http.8080
step 'Gateway: 404 for its own host' 404 status -H "Host: $API" "http://$HTTP/api/catalog"

apply 'the VirtualService' <<YAML
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: apigateway-vs-from-gw
spec:
  hosts: [$API]
  gateways: [coolstore-gateway]
  http:
  - route: [{destination: {host: apigateway, port: {number: 80}}}]
YAML
step 'VirtualService: the products for its host' '*Mug*Wool blanket*' curl -H "Host: $API" "http://$HTTP/api/catalog"
step 'VirtualService: 404 for another host' 404 status -H 'Host: other.istioinaction.io' "http://$HTTP/api/catalog"
step 'VirtualService: 404 for the address' 404 status "http://$HTTP/api/catalog"

apply 'the Ingress' <<YAML
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: catalog
  annotations: {kubernetes.io/ingress.class: istio}
spec:
  rules:
  - host: $CATALOG
    http:
      paths: [{path: /items, pathType: Prefix, backend: {service: {name: catalog, port: {name: http}}}}]
YAML
step 'Ingress: the catalog by its host and path' '*Notebook*' curl -H "Host: $CATALOG" "http://$HTTP/items/2"
step 'Ingress: 404 for another path' 404 status -H "Host: $CATALOG" "http://$HTTP/itemsize"
isthmus delete --wait ingress/catalog >/dev/null 2>&1

# An authority and certificates, by openssl alone.
authority() {
  cd "$CERTS" || exit 2
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=coolstore check' -keyout ca.key -out ca.crt
  for name in $API $CATALOG buyer; do
    echo "subjectAltName=DNS:$name" >"$name.ext"
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr"
    openssl x509 -req -days 30 -CA ca.crt -CAkey ca.key -CAcreateserial -extfile "$name.ext" -in "$name.csr" -out "$name.crt"
  done
}
(authority) >"$CERTS/openssl.log" 2>&1 || cat "$CERTS/openssl.log"
CA=$CERTS/ca.crt

{
  secret istio-ingressgateway-certs tls.crt "$CERTS/$API.crt" tls.key "$CERTS/$API.key"
  gateway <<YAML
$HTTP_SERVER
$(server https $API '{mode: SIMPLE, serverCertificate: /etc/istio/ingressgateway-certs/tls.crt, privateKey: /etc/istio/ingressgateway-certs/tls.key}')
YAML
} | apply 'TLS with mounted files'
step 'TLS: the products, with the authority' '*Mug*' https --cacert "$CA" "https://$API:8443/api/catalog"
step 'TLS: a client that does not know the authority ends it' 60 failure --resolve "$API:8443:$ADDRESS" "https://$API:8443/"
step 'TLS: nobody is there by the address' '[35][56]' failure --cacert "$CA" "https://$HTTPS/"
named() {
  openssl s_client -connect "$HTTPS" -servername $API -CAfile "$CA" -verify_hostname "$1" -verify_return_error </dev/null 2>&1 |
    grep -i -o -m 1 -e 'hostname mismatch' -e 'Verify return code: 0'
}
step 'TLS: the certificate is for the name' 'Verify return code: 0' named $API
step 'TLS: and for no other' '[Hh]ostname mismatch' named other.istioinaction.io

{
  secret apiserver-cert cert "$CERTS/$API.crt" key "$CERTS/$API.key"
  gateway <<YAML
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [$API]
    tls: {httpsRedirect: true}
$(server https $API '{mode: SIMPLE, credentialName: apiserver-cert}')
YAML
} | apply 'the redirect'
step 'redirect: 301 to https' "301 https://$API/api/catalog" \
  curl -o /dev/null -w '%{http_code} %{redirect_url}' -H "Host: $API" "http://$HTTP/api/catalog"
step 'redirect: the products behind it' '*Mug*' https --cacert "$CA" "https://$API:8443/api/catalog"

{
  secret istio-ingressgateway-ca-certs ca-chain.cert.pem "$CA"
  gateway <<YAML
$(server https $API '{mode: MUTUAL, serverCertificate: /etc/istio/ingressgateway-certs/tls.crt, privateKey: /etc/istio/ingressgateway-certs/tls.key, caCertificates: /etc/istio/ingressgateway-ca-certs/ca-chain.cert.pem}')
YAML
} | apply 'mutual TLS'
step 'mutual TLS: refused without a certificate' '[35][56]' failure --cacert "$CA" --resolve "$API:8443:$ADDRESS" "https://$API:8443/"
step 'mutual TLS: the products with one' '*Mug*' \
  https --cert "$CERTS/buyer.crt" --key "$CERTS/buyer.key" --cacert "$CA" "https://$API:8443/api/catalog"

{
  secret catalog-cert tls.crt "$CERTS/$CATALOG.crt" tls.key "$CERTS/$CATALOG.key"
  gateway <<YAML
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [$API, $CATALOG]
$(server https-apiserver $API '{mode: SIMPLE, credentialName: apiserver-cert}')
$(server https-catalog $CATALOG '{mode: SIMPLE, credentialName: catalog-cert}')
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: catalog-vs-from-gw}
spec:
  hosts: [$CATALOG]
  gateways: [coolstore-gateway]
  http:
  - route: [{destination: {host: catalog}}]
YAML
} | apply 'a second host'
subject() {
  openssl s_client -connect "$HTTPS" -servername "$1" </dev/null 2>/dev/null | openssl x509 -noout -subject
}
step 'two hosts: each has its certificate' "*$API" subject $API
step 'two hosts: and so has the other' "*$CATALOG" subject $CATALOG
step 'two hosts: the catalog by its name' '*Mug*' https --cacert "$CA" "https://$CATALOG:8443/items/1"
step 'two hosts: the products by theirs' '*Mug*' https --cacert "$CA" "https://$API:8443/api/catalog"

apply 'TCP' <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: greeter}
spec: {selector: {app: greeter}, ports: [{name: tcp, port: 9000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: greeter}
spec:
  selector: {matchLabels: {app: greeter}}
  template:
    metadata: {labels: {app: greeter}}
    spec:
      containers:
      - name: greeter
        command:
        - node
        - -e
        - require("net").createServer((s) => s.end("hello over TCP\n")).listen(process.env.PORT, process.env.HOST)
        ports: [{containerPort: 9000}]
---
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata: {name: tcp-gateway}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 31400, name: tcp, protocol: TCP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: greeter}
spec:
  hosts: ["*"]
  gateways: [tcp-gateway]
  tcp: [{match: [{port: 31400}], route: [{destination: {host: greeter, port: {number: 9000}}}]}]
YAML
step 'TCP: a program that is no web server' 'hello over TCP' curl "telnet://$TCP"

# catalog ROUTES: what becomes of requests for the catalog.
catalog() {
  cat <<YAML
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: catalog-vs-from-gw}
spec:
  hosts: [$CATALOG]
  gateways: [coolstore-gateway]
  http: [{$1}]
YAML
}
V1='destination: {host: catalog, subset: v1}'
V2='destination: {host: catalog, subset: v2}'
version() { curl -o /dev/null -D - -H "Host: $CATALOG" "http://$HTTP$1" | tr -d '\r' | sed -n 's/^x-catalog-version: //p'; }
{
  cat <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: catalog-v2}
spec:
  selector: {matchLabels: {app: catalog, version: v2}}
  template:
    metadata: {labels: {app: catalog, version: v2}}
    spec:
      serviceAccountName: catalog
      containers:
      - name: catalog
        command: [node, catalog.mjs]
        env: [{name: VERSION, value: v2}]
        ports: [{name: http, containerPort: 3000}]
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: catalog}
spec:
  host: catalog
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
YAML
  catalog "route: [{$V2}]"
} | apply 'a second version'
step 'shares: the second version answers' v2 version /items
catalog "route: [{$V1, weight: 90}, {$V2, weight: 10}]" | apply 'the shares'
step 'shares: the first one, too' v1 version /items
# Of 300 requests 30 are expected; fewer than 5 or more than 60 come less than once in a million runs.
share() {
  i=0 second=0
  while [ $i -lt 300 ]; do
    [ "$(version /items)" = v2 ] && second=$((second + 1))
    i=$((i + 1))
  done
  if [ $second -ge 5 ] && [ $second -le 60 ]; then echo 'about 10 %'; else echo "$second of 300"; fi
}
step 'shares: about 10 of 100' 'about 10 %' share

catalog "route: [{$V1}], mirror: {host: catalog, subset: v2}" | apply 'the mirror'
step 'mirror: the first version answers' v1 version /items
mark=$(date +%s)
answers=
for _ in 1 2 3 4 5; do answers=$answers$(version "/items/3?mark=$mark"); done
step 'mirror: its answers are never seen' v1v1v1v1v1 echo "$answers"
mirrored() { isthmus logs deploy/catalog-v2 -c istio-proxy | grep -c "mark=$mark"; }
step 'mirror: it has every request' 5 mirrored

finish
