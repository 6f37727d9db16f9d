#!/bin/sh
# Goes through the steps of the article against the mesh that "isthmus up examples/cargo" runs, prints each with "ok" or
# with what differed, and ends with 1 if one did. It needs curl and openssl. ISTHMUS is how to run isthmus.
. "$(dirname "$0")/../check-lib.sh"
HOST=cargo.example.com

here=$(cd "$(dirname "$0")" && pwd)
certs=$(mktemp -d) || exit 1

# Leaves the mesh as its files say.
clean_up() {
  $ISTHMUS apply -f "$here/policy.yaml" -f "$here/destination-rule.yaml" > /dev/null
  rm -rf "$certs"
}
trap clean_up EXIT

find_gateway cargo

# fetch PATH [OPTIONS]: through the gateway, by its name, trusting only the authority made here.
fetch() {
  path=$1
  shift
  curl -sS -m 10 --noproxy '*' --cacert "$certs/ca.crt" --resolve "$HOST:$port:$address" "$@" "https://$HOST:$port$path" 2>&1
}

in_mesh() {
  $ISTHMUS exec -n cloud-cargo deploy/clerk -- curl -sS -m 10 "$@" 2>&1
}

outside() {
  $ISTHMUS exec -n cloud-cargo deploy/dockhand -- curl -sS -m 10 -o /dev/null -w '%{http_code}' "$@" 2> /dev/null
}

pod_ip() {
  $ISTHMUS get pods -n cloud-cargo -l "app=$1" -o 'jsonpath={.items[0].status.podIP}'
}

# mode YAML: puts another mode of mutual TLS into force.
mode() {
  sed "s/mtls: {}/mtls: $1/" "$here/policy.yaml" | $ISTHMUS apply --wait -f - > /dev/null
}

certificate() {
  openssl s_client -connect "$gateway" -servername "$HOST" < /dev/null 2> /dev/null | openssl x509 -noout "$@" 2>&1
}

# make_certificate ORGANIZATION: the certificates of the article, by its commands.
make_certificate() {
  openssl req -out "$certs/ingressgateway.csr" -newkey rsa:2048 -nodes -keyout "$certs/ingressgateway.key" \
    -subj "/CN=$HOST/O=$1" 2> /dev/null
  openssl x509 -req -days 365 -CA "$certs/ca.crt" -CAkey "$certs/ca.key" -set_serial 0 \
    -in "$certs/ingressgateway.csr" -out "$certs/ingressgateway.crt" 2> /dev/null
}

remove_secret() {
  $ISTHMUS delete secret cargo-gateway-certs -n istio-system --ignore-not-found --wait > /dev/null
}

# Mutual TLS.

rating=http://$(pod_ip freight-rating-server):8080/api/freight-rating
customs=http://$(pod_ip customs):8080/duty
clerk='"askedBy":"spiffe://cluster.local/ns/cloud-cargo/sa/clerk"'
service='"tariffServerWasAskedBy":"spiffe://cluster.local/ns/cloud-cargo/sa/freight-rating-server"'
plain='"customsWereAskedBy":"somebody without a certificate"'
ask=http://freight-rating-server:8080/api/freight-rating

mode '{}'
answer=$(in_mesh $ask)
step 'a client in the mesh uses its certificate (ISTIO_MUTUAL)' yes "$(has "$answer" "$clerk")"
step 'a service uses its own where no rule says so (automatic)' yes "$(has "$answer" "$service")"
step 'a service without a sidecar is sent plain HTTP (automatic)' yes "$(has "$answer" "$plain")"
step 'the policy without a mode refuses plain HTTP' 000 "$(outside "$rating")"
step 'what has no sidecar takes plain HTTP' 200 "$(outside "$customs")"
mode '{mode: PERMISSIVE}'
step 'PERMISSIVE takes plain HTTP' 200 "$(outside "$rating")"
step 'PERMISSIVE takes mutual TLS' yes "$(has "$(in_mesh $ask)" "$clerk")"
mode '{mode: STRICT}'
step 'STRICT refuses plain HTTP' 000 "$(outside "$rating")"
$ISTHMUS delete --wait -f "$here/destination-rule.yaml" > /dev/null
step 'without the rule mutual TLS is automatic' yes "$(has "$(in_mesh $ask)" "$clerk")"

# The secure gateway.

remove_secret
openssl req -x509 -sha256 -nodes -days 365 -newkey rsa:2048 -subj '/O=Cargo Inc./' \
  -keyout "$certs/ca.key" -out "$certs/ca.crt" 2> /dev/null
make_certificate 'cargo organization'
fetch / > /dev/null
step 'without the secret there is no handshake' 35 $?

created=$($ISTHMUS create -n istio-system secret generic cargo-gateway-certs --wait \
  --from-file=key="$certs/ingressgateway.key" --from-file=cert="$certs/ingressgateway.crt")
step 'the secret is created' yes "$(has "$created" 'secret/cargo-gateway-certs created')"
step 'the gateway has the certificate' yes "$(has "$(certificate -subject)" 'cargo organization')"
step 'its key is RSA of 2048 bits' yes "$(has "$(certificate -text)" '(2048 bit)')"
step 'its issuer is the authority of the article' yes "$(has "$(certificate -issuer)" 'Cargo Inc.')"
step '/ is the web application' yes "$(has "$(fetch /)" '<h1>Cloud Cargo</h1>')"
step '/api/freight-rating is the rating server' yes "$(has "$(fetch '/api/freight-rating?tons=2')" '"price":260')"
step '/api/freight-tariff is the tariff server' yes "$(has "$(fetch /api/freight-tariff)" '"perTon":110')"
step 'all of them together make a quote' yes "$(has "$(fetch /quote)" '12 tons to Rotterdam: 1180 EUR')"
step 'HTTP/2 is offered' 2 "$(fetch / -o /dev/null -w '%{http_version}')"

remove_secret
make_certificate 'cargo once more'
$ISTHMUS create -n istio-system secret tls cargo-gateway-certs --wait \
  --key "$certs/ingressgateway.key" --cert "$certs/ingressgateway.crt" > /dev/null
step 'a secret of type kubernetes.io/tls will do' yes "$(has "$(fetch /)" '<h1>Cloud Cargo</h1>')"
step 'and its certificate is the new one' yes "$(has "$(certificate -subject)" 'cargo once more')"

# The DNS entry.

found=$(node -e "
  const { Resolver } = require('node:dns').promises;
  const resolver = new Resolver();
  resolver.setServers(['$address:8053']);
  resolver.resolve4('$HOST').then((found) => console.log(found.join()), (error) => console.log(error.message));
")
step 'the host of the gateway has a DNS entry' "$address" "$found"

exit $failed
