# Starts, stops and restarts the hub of a world, and takes the network from its devices. Suites call it too,
# to see what outlives that.
set -u

is_up() {
    kill -0 "$(cat "$WORLD/pid")" 2>/dev/null
}

start() {
    : >"$WORLD/stdout"
    "$SKERRY_BIN" hub run --data "$WORLD/data" --hostname "$SKERRY_HOST" --https 127.0.0.1:443 --mqtt 127.0.0.1:8883 --amqp 127.0.0.1:5671 --fault-injection \
        </dev/null >"$WORLD/stdout" 2>>"$WORLD/hub.log" &
    echo $! >"$WORLD/pid"
    for _ in $(seq 300); do
        grep -q '^skerry hub ready' "$WORLD/stdout" && return 0
        is_up || break
        sleep 0.1
    done
    echo 'the hub did not get ready' >&2
    return 1
}

stop() {
    kill -TERM "$(cat "$WORLD/pid")" || return 1
    for _ in $(seq 200); do
        is_up || return 0
        sleep 0.1
    done
    echo 'the hub did not stop when it was asked to' >&2
    return 1
}

# Packets between devices and the port of MQTT get lost, both ways, without a word to either.
lose() {
    iptables "$1" INPUT -p tcp --dport 8883 -j DROP && iptables "$1" INPUT -p tcp --sport 8883 -j DROP
}

case $1 in
start) start ;;
stop) stop ;;
restart) stop && start ;;
cut) lose -I ;;
mend) lose -D ;;
*) exit 2 ;;
esac
