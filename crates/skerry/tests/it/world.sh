# A machine of its own for one hub and one suite: runs as the first process in fresh user, network,
# mount and process namespaces, so that ports 443, 5671 and 8883 and the host's name are its own and
# nothing outlives it. Arguments: the suite's command. Needs WORLD (a folder), SKERRY_BIN, SKERRY_HOST.
set -u

ip link set lo up || exit 97
# The edge of suites that have one has an address of its own.
printf '127.0.0.1 localhost %s\n127.0.0.2 edge1.plant.test\n127.0.0.3 edge2.plant.test\n' "$SKERRY_HOST" >"$WORLD/hosts"
mount --bind "$WORLD/hosts" /etc/hosts || exit 97

sh "$WORLD/hub.sh" start || exit 98

# One connection string per policy, as an operator gets them.
for policy in iothubowner service device registryRead registryReadWrite; do
    string=$("$SKERRY_BIN" hub connection-string --data "$WORLD/data" --policy "$policy") || exit 98
    name=$(printf '%s' "$policy" | tr '[:lower:]' '[:upper:]')
    export "SKERRY_TEST_CS_$name=$string"
done
export SKERRY_TEST_CA="$WORLD/data/tls/root-ca.pem"
export SKERRY_TEST_HUB="$WORLD/hub.sh"
export REQUESTS_CA_BUNDLE="$SKERRY_TEST_CA" SSL_CERT_FILE="$SKERRY_TEST_CA" NODE_EXTRA_CA_CERTS="$SKERRY_TEST_CA"
# A proxy of the machine must not see what is said to the hub.
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
export NO_PROXY='*'

timeout --kill-after=5 "${WORLD_SECONDS:-240}" "$@"
outcome=$?

sh "$WORLD/hub.sh" stop || exit 99
exit "$outcome"
