#!/bin/sh
# Goes through the steps of the article against the mesh that "isthmus up examples/egress-mtls" runs, prints each with
# "ok" or with what differed, and ends with 1 if one did. It needs curl and nginx. ISTHMUS is how to run isthmus.
. "$(dirname "$0")/../check-lib.sh"
HOST=external-service.apps.e5dd.opentlc.com

certs=$(mktemp -d) || exit 1
trap 'rm -rf "$certs"' EXIT

find_gateway egress-mtls

# code [OPTIONS]: the status of the external service as a terminal outside of the mesh gets it.
code() {
  curl -s -m 10 --noproxy '*' --cacert "$certs/ca-chain.cert.pem" --resolve "$HOST:$port:$address" \
    -o /dev/null -w '%{http_code}' "$@" "https://$HOST:$port/"
}

# from_sleep URL [OPTIONS]: as the application gets it.
from_sleep() {
  $ISTHMUS exec deploy/sleep -- curl -sS -m 10 "$@" 2>&1
}

status_from_sleep() {
  from_sleep -o /dev/null -w '%{http_code}' "$1"
}

# passed_on, came_from_sleep: whether the access logs tell of the request, in which a line stands a moment after its answer.
passed_on() {
  has "$($ISTHMUS logs -n istio-system deploy/istio-egressgateway)" "outbound|443||$HOST"
}

came_from_sleep() {
  has "$($ISTHMUS logs deploy/sleep -c istio-proxy)" 'outbound|443|nginx|istio-egressgateway.istio-system'
}

# secret NAMESPACE NAME ...: makes a secret anew.
secret() {
  namespace=$1
  name=$2
  type=$3
  shift 3
  $ISTHMUS delete secret "$name" -n "$namespace" --ignore-not-found > /dev/null
  $ISTHMUS create -n "$namespace" secret "$type" "$name" "$@" --wait > /dev/null
}

# Certificates, as generate.sh of the article makes them: a root, an intermediate, a server's and a client's.
{
  $ISTHMUS ca root --dir "$certs/1_root"
  $ISTHMUS ca intermediate mtls --ca "$certs/1_root" --dir "$certs/2_intermediate"
  $ISTHMUS ca issue "$HOST" --server --ca "$certs/2_intermediate" --dir "$certs/3_application"
  $ISTHMUS ca issue "$HOST" --client --ca "$certs/2_intermediate" --dir "$certs/4_client"
} > /dev/null
cat "$certs/2_intermediate/ca-cert.pem" "$certs/1_root/root-cert.pem" > "$certs/ca-chain.cert.pem"
step 'openssl finds the chain of the server to be good' "$certs/3_application/tls.crt: OK" \
  "$(openssl verify -CAfile "$certs/ca-chain.cert.pem" "$certs/3_application/tls.crt" 2>&1)"

secret mesh-external nginx-server-certs tls --key "$certs/3_application/tls.key" --cert "$certs/3_application/tls.crt"
secret mesh-external nginx-ca-certs generic --from-file="$certs/ca-chain.cert.pem"
secret istio-system nginx-client-certs tls --key "$certs/4_client/tls.key" --cert "$certs/4_client/tls.crt"
secret istio-system nginx-ca-certs generic --from-file="$certs/ca-chain.cert.pem"
# nginx reads its certificates when it starts.
$ISTHMUS restart deploy/my-nginx -n mesh-external > /dev/null

step 'nginx answers 400 to who has no certificate' 400 "$(eventually 400 code)"
step 'nginx answers 200 to who has one' 200 "$(code --cert "$certs/4_client/tls.crt" --key "$certs/4_client/tls.key")"
step 'plain HTTP in the application gets it by way of the gateway' 200 \
  "$(eventually 200 status_from_sleep "http://$HOST/")"
step 'and that is the index page' yes "$(has "$(from_sleep "http://$HOST/")" 'Welcome to the external service')"
step 'the egress gateway has passed it on' yes "$(eventually yes passed_on)"
step 'by mutual TLS from the sidecar of the application' yes "$(eventually yes came_from_sleep)"
step 'a host that is not registered gets 502' 502 "$(status_from_sleep http://not-registered.example/)"
step 'a port that is not registered gets 502' 502 "$(status_from_sleep "http://$HOST:8080/")"

exit $failed
